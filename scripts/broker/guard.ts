// Owns: cleaning up after the process that started brokers, should it die (Ctrl-C, SIGKILL, a crash) before it
// ended them or handed them on. A program of its own: it reads orders from standard input, and the end of
// standard input is the death of its parent, which no signal handler could report as surely.
// Must not know: why something was started.

import { createInterface } from 'node:readline'
import { composeDown } from './compose.js'
import type { NodeRecord } from './record.js'
import { removeNodes } from './remains.js'

export type Ward = { readonly node: NodeRecord } | { readonly project: string }
export type Order =
  | { readonly watch: Ward; readonly key: string }
  | { readonly release: true; readonly key: string }

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
