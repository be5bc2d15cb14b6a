/**
 * Owns the command `npm run broker -- start|stop|status`: arguments, output, exit status. URLs go to standard output,
 * everything else to standard error. Knows nothing of how a broker is run.
 */
import { parseArgs } from 'node:util'
import { attachBroker, type Broker, startBroker } from './broker.js'
import { BrokerError } from './processes.js'
import { clearState, readState, withLock, writeState } from './state.js'

const USAGE = `Usage: npm run broker -- <command> [options]

  start    start a broker in the background and print its URL, or reuse the one that runs
  stop     stop what start has started
  status   say what runs; the exit status is 0 when a broker answers

  --port N      start: listen on this AMQP port (default: a free one)
  --cluster N   start: a cluster of N private nodes, for example 3

The broker is that of AMQP_URL when it is set; else one in Docker; else a private node of rabbitmq-server,
which is installed with apt-get first where it is missing and that is possible. PUKA_BROKER=node skips Docker,
PUKA_RABBITMQ_SERVER=PATH takes another rabbitmq-server, PUKA_RABBITMQ_CONFIG=FILE adds to rabbitmq.conf.`

const MOST_NODES = 9

interface Command {
  readonly name: 'start' | 'stop' | 'status'
  readonly port?: number
  readonly cluster?: number
}

class UsageError extends BrokerError {}

function integer(option: string, text: string, lowest: number, highest: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= lowest && value <= highest) return value
  throw new UsageError(`--${option} takes a number from ${lowest} to ${highest}, not "${text}"`)
}

function parseCommand(args: string[]): Command | 'help' {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  if (values.help === true || args.length === 0) return 'help'
  const [name, ...more] = positionals
  if (name !== 'start' && name !== 'stop' && name !== 'status') {
    throw new UsageError(`the command is start, stop or status, not "${name ?? ''}"`)
  }
  if (more.length > 0) throw new UsageError(`one command at a time: "${more.join(' ')}" is too much`)
  if (name !== 'start' && (values.port !== undefined || values.cluster !== undefined)) {
    throw new UsageError(`--port and --cluster are for start, not for ${name}`)
  }
  return {
    name,
    ...(values.port === undefined ? {} : { port: integer('port', values.port, 1, 65_535) }),
    ...(values.cluster === undefined ? {} : { cluster: integer('cluster', values.cluster, 2, MOST_NODES) }),
  }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      port: { type: 'string' },
      cluster: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

const note = (line: string): void => console.error(`broker: ${line}`)

function describe(broker: Broker): string {
  const version = broker.version === '' ? '' : ` (RabbitMQ ${broker.version})`
  if (broker.kind === 'url') return `the broker of AMQP_URL${version}`
  if (broker.kind === 'docker') return `a broker in Docker${version}`
  return broker.urls.length === 1
    ? `a private node${version}`
    : `a cluster of ${broker.urls.length} nodes${version}`
}

function printUrls(broker: Broker): void {
  for (const url of broker.urls) console.log(`AMQP_URL=${url}`)
}

/** What an earlier start left, if it still runs whole; what is left of a dead one is cleared away. */
async function runningBroker(): Promise<Broker | undefined> {
  const state = readState()
  if (state === undefined) return undefined
  const broker = attachBroker(state)
  if (await broker.alive()) return broker
  note('the broker that was running has died; clearing away what it left')
  await broker.stop()
  clearState()
  return undefined
}

function refuseOtherWishes(command: Command, broker: Broker): void {
  const port = Number(new URL(broker.url).port)
  const wrong =
    (command.port !== undefined && command.port !== port && `port ${command.port}`) ||
    (command.cluster !== undefined && command.cluster !== broker.urls.length && `${command.cluster} nodes`)
  if (wrong === false) return
  throw new BrokerError(`${describe(broker)} runs already at ${broker.url}, not with ${wrong}: stop it first`)
}

async function start(command: Command): Promise<void> {
  const { name: _, ...options } = command
  if (process.env.AMQP_URL) {
    const broker = await startBroker(options)
    note(`using ${describe(broker)}`)
    return printUrls(broker)
  }
  await withLock(async () => {
    const running = await runningBroker()
    if (running !== undefined) {
      refuseOtherWishes(command, running)
      note(`${describe(running)} runs already`)
      return printUrls(running)
    }
    const broker = await startBroker({ ...options, log: note })
    writeState(broker.state)
    broker.keep()
    note(`started ${describe(broker)}`)
    printUrls(broker)
  })
}

async function stop(): Promise<void> {
  if (process.env.AMQP_URL) return note('the broker of AMQP_URL is not ours: left alone')
  await withLock(async () => {
    const state = readState()
    if (state === undefined) return note('nothing to stop')
    const broker = attachBroker(state)
    await broker.stop()
    clearState()
    note(`stopped ${describe(broker)}`)
  })
}

async function status(): Promise<void> {
  const broker = process.env.AMQP_URL ? await startBroker() : readBroker()
  if (broker !== undefined && (await broker.alive())) {
    note(`${describe(broker)} runs`)
    return printUrls(broker)
  }
  note(broker === undefined ? 'no broker runs' : `${describe(broker)} has died`)
  process.exitCode = 1
}

function readBroker(): Broker | undefined {
  const state = readState()
  return state === undefined ? undefined : attachBroker(state)
}

async function main(args: string[]): Promise<void> {
  const command = parseCommand(args)
  if (command === 'help') return console.log(USAGE)
  if (command.name === 'start') return start(command)
  return command.name === 'stop' ? stop() : status()
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BrokerError)) throw error
  note(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
