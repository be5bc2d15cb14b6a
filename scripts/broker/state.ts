/**
 * Owns the file by which `stop` and `status` find what `start` left running, and the lock around changing it. Knows
 * nothing of how brokers are started or ended.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BrokerState } from './broker.js'
import { ownFolder } from './own-folder.js'
import { BrokerError, processIdentity } from './processes.js'

const stateFile = (): string => join(ownFolder('puka-amqp-broker'), 'broker.json')
const lockFile = (): string => join(ownFolder('puka-amqp-broker'), 'lock.json')

export function readState(): BrokerState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(), 'utf8')) as BrokerState
  } catch (error) {
    if (error instanceof BrokerError) throw error
    return undefined
  }
}

export function writeState(state: BrokerState): void {
  const file = stateFile()
  // Renamed into place: a reader never sees half of it.
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function clearState(): void {
  rmSync(stateFile(), { force: true })
}

interface Lock {
  readonly pid: number
  readonly identity: string
}

function lockHolder(): Lock | undefined {
  try {
    return JSON.parse(readFileSync(lockFile(), 'utf8')) as Lock
  } catch {
    return undefined
  }
}

/** Runs the action while no other start or stop can. The lock of a process that died does not count. */
export async function withLock<T>(action: () => Promise<T>): Promise<T> {
  const holder = lockHolder()
  if (holder !== undefined && processIdentity(holder.pid) === holder.identity) {
    throw new BrokerError(`another start or stop (process ${holder.pid}) is under way`)
  }
  rmSync(lockFile(), { force: true })
  const own: Lock = { pid: process.pid, identity: processIdentity(process.pid) }
  try {
    writeFileSync(lockFile(), JSON.stringify(own), { flag: 'wx' })
  } catch {
    throw new BrokerError('another start or stop began at the same moment')
  }
  try {
    return await action()
  } finally {
    rmSync(lockFile(), { force: true })
  }
}
