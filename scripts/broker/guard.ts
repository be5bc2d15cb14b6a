/**
 * Owns cleaning up after this process, should it die (Ctrl-C, SIGKILL, a crash) before it ended the brokers that it started
 * or handed them on: one guard process for all of them. This file is both sides: what starts the guard and tells it, and
 * the guard's own program. Knows nothing of why something was started.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { composeDown } from './compose.js'
import { type NodeRecord, removeNodes } from './record.js'

export type Ward = { readonly node: NodeRecord } | { readonly project: string }
type Order = { readonly watch: Ward; readonly key: string } | { readonly release: true; readonly key: string }

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const program = fileURLToPath(import.meta.url)

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

/**
 * The program: it reads orders from standard input, and the end of standard input is the death of its parent, which no
 * signal handler could report as surely.
 */
async function guardUntilDeath(): Promise<void> {
  const wards = new Map<string, Ward>()

  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order
    if ('watch' in order) wards.set(order.key, order.watch)
    else wards.delete(order.key)
  }

  const left = [...wards.values()]
  const nodes = left.flatMap(ward => ('node' in ward ? [ward.node] : []))
  const projects = left.flatMap(ward => ('project' in ward ? [ward.project] : []))
  await removeNodes(nodes, 'SIGKILL')
  await Promise.all(projects.map(project => composeDown(project).catch(() => undefined)))
}

if (process.argv[1] === program) await guardUntilDeath()
