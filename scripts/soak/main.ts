/**
 * Owns the command `npm run soak [-- --minutes N]`: arguments, the order of the steps, output, exit status. Knows
 * nothing of what a round does, or how a figure is taken.
 */
import { parseArgs } from 'node:util'
import { AmqpError, type Client, connect } from 'puka-amqp'
import { type Broker, startBroker } from '../broker/broker.js'
import { BrokerError } from '../broker/processes.js'
import { SoakError } from './errors.js'
import { describe, type Figures, grown, measure, TOLERANCE } from './figures.js'
import { Workload } from './workload.js'

const USAGE = `Usage: npm run soak [-- --minutes N]

Runs every operation of the client over and over, a third of them failing, for N minutes (default: 10). Passes, with
exit status 0, where the number of channels, the memory in use and the number of handles end where they began: no more
channels and handles, at most ${TOLERANCE.heap / 1_048_576} MiB more of heap and ${TOLERANCE.buffers / 1_048_576} MiB more of buffers. The broker is that of AMQP_URL when
it is set (the number of channels is not asked for then); else one is started.`

const REPORT_EVERY = 30_000
/** So long until code is compiled and buffers have grown: the figures begin after it. */
const LONGEST_WARM_UP = 30_000
/** Rounds that run at once. */
const WORKERS = 4

const note = (line: string): void => console.error(`soak: ${line}`)

class UsageError extends SoakError {}

function parse(args: string[]): number | 'help' {
  let minutes: number
  try {
    const { values } = parseArgs({
      args,
      options: { minutes: { type: 'string', default: '10' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help === true) return 'help'
    minutes = Number(values.minutes)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  if (minutes > 0 && Number.isFinite(minutes)) return minutes
  throw new UsageError('--minutes takes a number above 0')
}

/** Runs rounds, several at once, until the time is up. Ends at the first that fails. */
async function runUntil(deadline: number, workload: Workload): Promise<void> {
  let failed = false
  const worker = async (): Promise<void> => {
    try {
      while (!failed && Date.now() < deadline) await workload.round()
    } catch (error) {
      failed = true
      throw error
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: WORKERS }, worker))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

const stamp = (since: number): string => {
  const seconds = Math.round((Date.now() - since) / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function shareOfFailures({ tally: { succeeded, failed } }: Workload): string {
  const all = succeeded + failed
  return `${all.toLocaleString('en')} operations, ${((100 * failed) / all).toFixed(0)} % of them failed as they should`
}

async function soak(
  client: Client,
  broker: Broker,
  minutes: number,
  connectionName: string,
): Promise<boolean> {
  const workload = new Workload(client, connectionName)
  const take = (): Promise<Figures> => measure(broker, connectionName)
  const duration = minutes * 60_000
  const begun = Date.now()
  await runUntil(begun + Math.min(LONGEST_WARM_UP, duration / 4), workload)
  const before = await take()
  console.log(`${stamp(begun)}  ${describe(before)}: here the figures begin`)
  let after = before
  while (Date.now() < begun + duration) {
    await runUntil(Math.min(Date.now() + REPORT_EVERY, begun + duration), workload)
    after = await take()
    console.log(`${stamp(begun)}  ${describe(after)}; ${shareOfFailures(workload)}`)
  }
  const faults = grown(before, after)
  if (before.channels === undefined) console.log('The number of channels was not asked for: AMQP_URL is set.')
  if (faults.length === 0) console.log('PASSED: all figures are back where they began')
  else console.log(`FAILED: ${faults.join('; ')}`)
  return faults.length === 0
}

async function main(args: string[]): Promise<boolean> {
  const minutes = parse(args)
  if (minutes === 'help') {
    console.log(USAGE)
    return true
  }
  if (globalThis.gc === undefined) throw new SoakError('memory cannot be measured without node --expose-gc')
  const broker = await startBroker({ log: note })
  try {
    const connectionName = `puka-soak.${process.pid}.${Date.now()}`
    const client = await connect(broker.url, { connectionName, recovery: false })
    try {
      return await soak(client, broker, minutes, connectionName)
    } finally {
      await client.close()
    }
  } finally {
    await broker.stop()
  }
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? `: ${error.cause.message}` : ''
}

try {
  if (!(await main(process.argv.slice(2)))) process.exitCode = 1
} catch (error) {
  if (!(error instanceof SoakError || error instanceof BrokerError || error instanceof AmqpError)) throw error
  note(error.message + causeOf(error))
  process.exitCode = error instanceof UsageError ? 2 : 1
}
