/**
 * Owns the project of a user, in an empty folder: the package as it would be published in its node_modules, and beside it
 * what it, or a tool, needs, from this project's own.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { brokerUrl } from './broker/broker.js'
import { type ChildOutcome, PROJECT, runNode } from './child.js'

const run = promisify(execFile)

export class UserProject {
  readonly folder: string
  /** The paths in the package. */
  readonly packed: readonly string[]
  /** The bytes of the package, compressed. */
  readonly size: number

  private constructor(folder: string, packed: readonly string[], size: number) {
    this.folder = folder
    this.packed = packed
    this.size = size
  }

  /** Makes a project that has the package, its dependencies, and `modules` of this project. */
  static async create(modules: readonly string[] = []): Promise<UserProject> {
    const folder = mkdtempSync(join(tmpdir(), 'puka-user-'))
    // Without scripts: they would build anew, below the feet of other tests.
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const { stdout } = await run('npm', args, { cwd: PROJECT })
    const [{ filename, files, size }] = JSON.parse(stdout) as [
      { filename: string; files: { path: string }[]; size: number },
    ]
    const project = new UserProject(
      folder,
      files.map(({ path }) => path),
      size,
    )
    const home = join(folder, 'node_modules', 'puka-amqp')
    mkdirSync(home, { recursive: true })
    await run('tar', ['-xzf', join(folder, filename), '-C', home, '--strip-components=1'])
    const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    for (const name of [...Object.keys(dependencies), ...modules]) project.link(name)
    project.write({ 'package.json': '{ "name": "user" }' })
    return project
  }

  /** Adds a module of this project. */
  link(name: string): void {
    const place = join(this.folder, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(PROJECT, 'node_modules', name), place)
  }

  /** Writes files, whose names may have folders. */
  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const place = join(this.folder, name)
      mkdirSync(dirname(place), { recursive: true })
      writeFileSync(place, text)
    }
  }

  /** Runs Node in the project, or in a folder of it, with the broker's URL as AMQP_URL. */
  node(args: readonly string[], folder = ''): Promise<ChildOutcome> {
    const cwd = join(this.folder, folder)
    return runNode(args, { cwd, env: { AMQP_URL: brokerUrl() }, deadline: 120_000 })
  }

  /** Writes a program and runs it. */
  program(name: string, text: string): Promise<ChildOutcome> {
    this.write({ [name]: text })
    return this.node([name])
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}
