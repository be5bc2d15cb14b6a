// Owns: this process's side of the guard: one guard process for all that this process has started.
// Must not know: what the guard does about a ward.

import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Order, Ward } from './guard.js'

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const program = fileURLToPath(new URL('./guard.ts', import.meta.url))

const keys = new Set<string>()
let guard: ChildProcess | undefined

function startGuard(): ChildProcess {
  const child = spawn(process.execPath, ['--import', tsx, program], {
    // A session of its own, so that the Ctrl-C which ends us does not end the guard.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    // The options of this process (a debugger, Jest's VM modules) are not for the guard.
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  // Neither the guard nor the pipe to it may keep this process alive.
  child.unref()
  const { stdin } = child
  if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
  stdin?.on('error', () => undefined)
  return child
}

function tell(order: Order): void {
  guard?.stdin?.write(`${JSON.stringify(order)}\n`)
}

/** From now on the ward does not outlive this process. A second call with the same key replaces the ward. */
export function watch(key: string, ward: Ward): void {
  guard ??= startGuard()
  keys.add(key)
  tell({ watch: ward, key })
}

/** The ward has ended, or shall live on without this process. */
export function release(key: string): void {
  if (!keys.delete(key)) return
  tell({ release: true, key })
  if (keys.size > 0) return
  guard?.stdin?.end()
  guard = undefined
}
