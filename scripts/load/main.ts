/**
 * Owns the command `npm run load [-- --minutes N --consumers N --queues N]`: arguments, the broker, output, exit status.
 * Knows nothing of what a run does.
 */
import { parseArgs } from 'node:util'
import { AmqpError } from 'puka-amqp'
import { startBroker } from '../broker/broker.js'
import { BrokerError } from '../broker/processes.js'
import { LoadError } from './errors.js'
import type { Plan } from './plan.js'
import { Run } from './run.js'

const USAGE = `Usage: npm run load [-- [--minutes N] [--consumers N] [--queues N] [--patience N]]

Keeps N consumers (default: 10,000) on N queues (default: 1,000) for N minutes (default: 5), some of them slow, while
messages are published at full speed and every operation of the client is run over and over. Prints memory, handles, the
delay of the event loop and rates. What makes no progress for a minute at the end (--patience, in seconds) counts as
hanging. Passes, with exit status 0, where every message was confirmed and received once, every call had the outcome that
it should have, nothing was disconnected, and no handle is left when all is closed. The broker is that of AMQP_URL when
it is set; else one is started.`

const note = (line: string): void => console.error(`load: ${line}`)

class UsageError extends LoadError {}

function parse(args: string[]): Plan | 'help' {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string', default: '5' },
        consumers: { type: 'string', default: '10000' },
        queues: { type: 'string', default: '1000' },
        patience: { type: 'string', default: '60' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help === true) return 'help'
    return checkPlan({
      minutes: Number(values.minutes),
      consumers: Number(values.consumers),
      queues: Number(values.queues),
      patience: Number(values.patience),
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function checkPlan(plan: Plan): Plan {
  const { minutes, consumers, queues, patience } = plan
  for (const [name, value] of Object.entries({ minutes, patience })) {
    if (!(value > 0 && Number.isFinite(value))) throw new Error(`--${name} takes a number above 0`)
  }
  if (!(Number.isSafeInteger(queues) && queues >= 1)) throw new Error('--queues takes a whole number above 0')
  // A queue that only a slow reader reads would never be emptied.
  if (!(Number.isSafeInteger(consumers) && consumers >= 2 * queues)) {
    throw new Error('--consumers takes a whole number, at least twice that of --queues')
  }
  return plan
}

async function main(args: string[]): Promise<boolean> {
  const plan = parse(args)
  if (plan === 'help') {
    console.log(USAGE)
    return true
  }
  if (globalThis.gc === undefined) throw new LoadError('memory cannot be measured without node --expose-gc')
  const broker = await startBroker({ log: note })
  try {
    const version = broker.version === '' ? '' : ` ${broker.version}`
    const prefix = `puka-load.${process.pid}.${Date.now()}`
    console.log(`RabbitMQ${version}, Node.js ${process.version}; all names begin with ${prefix}`)
    const run = new Run(plan, prefix, console.log)
    await run.toEnd(broker.url)
    const faults = run.faults.list()
    for (const fault of faults) console.log(`FAULT: ${fault}`)
    console.log(
      faults.length === 0 ? 'PASSED: nothing lost, no error, everything settled and closed' : 'FAILED',
    )
    return faults.length === 0
  } finally {
    await broker.stop()
  }
}

const causeOf = (error: Error): string => (error.cause instanceof Error ? `: ${error.cause.message}` : '')

try {
  if (!(await main(process.argv.slice(2)))) process.exitCode = 1
} catch (error) {
  if (!(error instanceof LoadError || error instanceof BrokerError || error instanceof AmqpError)) throw error
  note(error.message + causeOf(error))
  process.exitCode = error instanceof UsageError ? 2 : 1
}
