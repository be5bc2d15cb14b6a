/** Owns the processes of a measurement: the null peer, and the worker with the client in it. */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { NullPeerOptions, NullPeerTotals } from '../null-peer/options.js'
import type { Figures, Job } from '../worker/job.js'

const run = promisify(execFile)
const WORKER_TIMEOUT = 180_000

export interface NullPeer {
  readonly url: string
  /** Ends it. */
  stop(): Promise<NullPeerTotals>
}

export async function startNullPeer(folder: string, options: NullPeerOptions): Promise<NullPeer> {
  const child = fork(`${folder}/null-peer/main.js`, [JSON.stringify(options)], { execArgv: [] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return {
    url: `amqp://127.0.0.1:${port}`,
    async stop() {
      const answer = once(child, 'message') as Promise<[{ totals: NullPeerTotals }]>
      child.send('stop')
      const [{ totals }] = await answer
      await once(child, 'exit')
      return totals
    },
  }
}

/** Runs a script of the built folder in a process of its own, and resolves with the JSON that it printed. */
export async function runScript<T>(
  script: string,
  argument: unknown,
  nodeOptions: readonly string[] = [],
  timeout: number = WORKER_TIMEOUT,
): Promise<T> {
  const args = [...nodeOptions, script, JSON.stringify(argument)]
  const { stdout } = await run(process.execPath, args, { timeout, maxBuffer: 16_777_216 })
  return JSON.parse(stdout) as T
}

export function runWorker(folder: string, job: Job): Promise<Figures> {
  return runScript<Figures>(`${folder}/worker/main.js`, job)
}
