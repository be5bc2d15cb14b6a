/**
 * Owns the processes of this machine: running a command to its end, asking about a process group, or ending it, by its
 * id; and the one error class of these scripts. Knows nothing of RabbitMQ.
 */
import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Its message is a line for a human; `detail` is what may follow it (the end of a log). */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'

  constructor(
    message: string,
    readonly detail = '',
  ) {
    super(detail === '' ? message : `${message}\n${detail}`)
  }
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly timeout?: number
}

/** Runs a command; a failure is a non-zero `code`, never a rejection. A command that is missing has code 127. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise(resolve => {
    execFile(
      file,
      [...args],
      { env: options.env ?? process.env, timeout: options.timeout ?? 0, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr })
        else if (error.code === 'ENOENT') resolve({ code: 127, stdout, stderr: error.message })
        else resolve({ code: typeof error.code === 'number' ? error.code : 1, stdout, stderr })
      },
    )
  })
}

interface ProcessStat {
  readonly state: string
  readonly group: number
  readonly threads: number
  readonly startTime: string
}

/** Linux only: undefined elsewhere, and for a process which is gone. */
function processStat(pid: number | string): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The command name in parentheses may itself hold spaces and parentheses: count fields after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    state: fields[0] ?? '',
    group: Number(fields[2]),
    threads: Number(fields[17]),
    startTime: fields[19] ?? '',
  }
}

/** What tells a process from a later one with the same id: the time it was started. Empty when it is gone. */
export function processIdentity(pid: number): string {
  if (process.platform === 'linux') return processStat(pid)?.startTime ?? ''
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

/**
 * Whether any process of the group still runs; zombies that nobody reaps do not count. A process whose first thread has
 * ended is shown as a zombie while others run, and hold its sockets.
 */
export function groupAlive(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some(entry => {
    if (!/^\d+$/.test(entry)) return false
    const stat = processStat(entry)
    if (stat === undefined || stat.group !== group || stat.state === 'X') return false
    return stat.state !== 'Z' || stat.threads > 1
  })
}

export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    // Gone already is what the caller wants.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Polls, because a group that is not our child sends no event. True when it went within the time. */
export async function groupGone(group: number, timeout: number): Promise<boolean> {
  const deadline = Date.now() + timeout
  while (groupAlive(group)) {
    if (Date.now() > deadline) return false
    await delay(20)
  }
  return true
}
