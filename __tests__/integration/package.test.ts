/**
 * Covers the package as it would be published: what is in it, that ESM, CommonJS and TypeScript can use it, and that a
 * process that used it ends by itself. It needs the build in dist.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import * as source from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { type ChildOutcome, PROJECT, runNode } from '../support/child.js'

const MINUTE = 60_000
const TSC = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const run = promisify(execFile)

/** A project of a user: the package unpacked into its node_modules, with its dependencies beside it. */
let project: string
let packed: string[]

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'puka-package-'))
  // Without scripts: they would build anew, below the feet of other tests.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', project]
  const { stdout } = await run('npm', args, { cwd: PROJECT })
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  packed = files.map(({ path }) => path)
  const modules = join(project, 'node_modules')
  const home = join(modules, 'puka-amqp')
  mkdirSync(home, { recursive: true })
  await run('tar', ['-xzf', join(project, filename), '-C', home, '--strip-components=1'])
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  mkdirSync(join(modules, '@types'))
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    symlinkSync(join(PROJECT, 'node_modules', name), join(modules, name))
  }
}, MINUTE)

afterAll(() => {
  rmSync(project, { recursive: true })
})

/** Runs a program of the user's project. */
function program(name: string, text: string): Promise<ChildOutcome> {
  writeFileSync(join(project, name), text)
  return runNode([name], { cwd: project, env: { AMQP_URL: brokerUrl() } })
}

describe('what is published', () => {
  test('is the build, the documents and the licence, and nothing else', () => {
    const others = packed.filter(path => !/^dist\/.+\.(js|js\.map|d\.ts)$/.test(path))
    expect(others.filter(path => !/^docs\/[\w-]+\.(md|svg)$/.test(path)).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'package.json',
    ])
    expect(others).toEqual(
      expect.arrayContaining([
        'docs/architecture.md',
        'docs/consuming.md',
        'docs/errors.md',
        'docs/from-puka.md',
      ]),
    )
  })

  test('is one module, which loads fast, with its map, and the types of all that it is made of', () => {
    expect(packed.filter(path => /\.js(\.map)?$/.test(path)).sort()).toEqual([
      'dist/index.js',
      'dist/index.js.map',
    ])
    expect(packed).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/client/client.d.ts']))
  })
})

describe('the package can be loaded', () => {
  const names = Object.keys(source).sort()

  test(
    'by import, with all its names',
    async () => {
      const text = `import * as puka from 'puka-amqp'\nconsole.log(JSON.stringify(Object.keys(puka).sort()))`
      const { status, stdout, stderr } = await program('all.mjs', text)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(JSON.parse(stdout)).toEqual(names)
    },
    MINUTE,
  )

  test(
    'by require(), with the same names',
    async () => {
      const text = `console.log(JSON.stringify(Object.keys(require('puka-amqp')).sort()))`
      const { status, stdout } = await program('all.cjs', text)
      expect(status).toBe(0)
      expect(JSON.parse(stdout).filter((name: string) => name !== '__esModule')).toEqual(names)
    },
    MINUTE,
  )

  test(
    'and nothing behind its entry',
    async () => {
      const { status, stderr } = await program('deep.mjs', `import 'puka-amqp/dist/client/client.js'`)
      expect(status).toBe(1)
      expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
    },
    MINUTE,
  )
})

describe('TypeScript', () => {
  const use = `
    export async function use(): Promise<number> {
      const client: Client = await connect('amqp://localhost', { heartbeat: 5 })
      const { messageCount } = await client.queueDeclare('q', { arguments: { 'x-max-length': 5 } })
      await client.basicPublish('', 'q', 'body', { headers: { a: [1n, new Date()] } })
      for await (const message of client.basicConsume('q', { prefetchCount: 5 })) message.ack()
      client.on('blocked', reason => reason.length)
      return messageCount
    }`
  const files: Readonly<Record<string, string>> = {
    'esm.mts': `import { type Client, connect } from 'puka-amqp'\n${use}`,
    'cjs.cts': `import puka = require('puka-amqp')\nimport Client = puka.Client\nconst { connect } = puka\n${use}`,
    'wrong.mts': `
      import { connect } from 'puka-amqp'
      const client = await connect()
      await client.queueDeclare('q', { durabel: true })
      await client.basicPublish('', 'q', 5)`,
  }
  /** What the compiler says about all of them: a run of it takes seconds. */
  let errors: string[]

  beforeAll(async () => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text)
    // No --skipLibCheck: the declarations have to hold in a stranger's project.
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022']
    const types = ['--module', 'nodenext', '--types', 'node', '--lib', 'es2023,esnext.disposable']
    const { stdout } = await runNode([TSC, ...options, ...types, ...Object.keys(files)], { cwd: project })
    errors = stdout.split('\n').filter(line => /^\S+\(\d+,\d+\): /.test(line))
  }, MINUTE)

  test('sees the types, from ESM and from CommonJS', () => {
    expect(errors.filter(line => !line.startsWith('wrong.mts'))).toEqual([])
  })

  test('refuses what does not fit', () => {
    expect(errors.filter(line => line.startsWith('wrong.mts'))).toEqual([
      expect.stringMatching(/^wrong\.mts\(4,.*durabel/),
      expect.stringMatching(/^wrong\.mts\(5,.*'number'/),
    ])
  })
})

describe('a process ends by itself', () => {
  const START = `
    import { connect } from 'puka-amqp'
    const client = await connect(process.env.AMQP_URL)
    const { queue } = await client.queueDeclare('', { exclusive: true })
    await client.basicPublish('', queue, 'one')
    const consumer = client.basicConsume(queue, { prefetchCount: 1 })
    void consumer.forEach(() => console.log('handled')).catch(() => undefined)
    await consumer.ready`

  test.each(['close', 'drain'])(
    'after %s()',
    async ending => {
      const { status, stdout, stderr } = await program(
        `${ending}.mjs`,
        `${START}\nawait client.${ending}()\nconsole.log('ended')`,
      )
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout.trimEnd().split('\n').at(-1)).toBe('ended')
    },
    MINUTE,
  )

  test(
    'when connect() has failed',
    async () => {
      const { status, stdout } = await program(
        'refused.mjs',
        `import { connect } from 'puka-amqp'
        await connect('amqp://127.0.0.1:1').catch(error => console.log(error.code))`,
      )
      expect({ status, stdout }).toEqual({ status: 0, stdout: 'CONNECTION_BROKEN\n' })
    },
    MINUTE,
  )

  test(
    'and lives as long as its connection otherwise',
    async () => {
      const { status, stdout } = await program(
        'lives.mjs',
        `${START}
        setTimeout(async () => { console.log('lived'); await client.close() }, 500).unref()`,
      )
      expect(status).toBe(0)
      expect(stdout).toContain('lived')
    },
    MINUTE,
  )
})
