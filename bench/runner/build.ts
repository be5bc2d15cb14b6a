/**
 * Owns the making of plain JavaScript from this folder: what is measured must not run under a loader. The output lies
 * below node_modules, where the clients resolve and nothing is committed.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const BENCH = fileURLToPath(new URL('..', import.meta.url))
const DIST = fileURLToPath(new URL('../../dist', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))

const PREFIX = 'puka-amqp-bench-'

export interface Built {
  readonly folder: string
  /** The package's own build, as users get it, as a file URL: a copy, which a build during a run does not change. */
  readonly library: string
}

/** Builds into a folder of this run's own, which goes with the process. */
export async function buildBench(): Promise<Built> {
  removeRemains()
  const folder = join(CACHE, `${PREFIX}${process.pid}`)
  mkdirSync(folder, { recursive: true })
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  cpSync(DIST, join(folder, 'dist'), { recursive: true })
  await build({
    entryPoints: ['clients', 'null-peer', 'wire', 'worker', 'cost', 'cost/clients', 'flat'].map(
      name => `${BENCH}${name}/*.ts`,
    ),
    outbase: BENCH,
    outdir: folder,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  })
  return { folder, library: pathToFileURL(join(folder, 'dist/index.js')).href }
}

/** Removes what runs left that were killed. */
function removeRemains(): void {
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : undefined
    if (pid !== undefined && !(pid > 0 && isRunning(pid))) {
      rmSync(join(CACHE, name), { recursive: true, force: true })
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
