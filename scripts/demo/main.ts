/**
 * Owns the command `npm run demo [-- [--chaos] [FILE]]`: arguments, the order of the steps, signals, output, exit
 * status. Knows nothing of how a broker is found, or how pieces travel.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { AmqpError, type Client, connect, type ServerInfo } from 'puka-amqp'
import { type Broker, startBroker } from '../broker/broker.js'
import { BrokerError } from '../broker/processes.js'
import { Chaos } from './chaos.js'
import { DemoError } from './errors.js'
import { piecesOf } from './pieces.js'
import { count, showProgress } from './progress.js'
import { RebuiltFile } from './rebuilt-file.js'
import { Transfer } from './transfer.js'

const USAGE = `Usage: npm run demo [-- [--chaos] [FILE]]

Sends FILE (default: package-lock.json) through RabbitMQ line by line, takes it out again at the same time, and
compares. The broker is that of AMQP_URL when it is set; else one in Docker; else a private node of rabbitmq-server,
which is installed with apt-get first where it is missing and that is possible.

With --chaos the connection is cut every second while the file goes through. What comes twice then is known by its
number, counted and left out.`

const DEFAULT_FILE = fileURLToPath(new URL('../../package-lock.json', import.meta.url))
/** What is left of a demo that was killed goes away by itself. */
const QUEUE_EXPIRES_MS = 300_000
const CLEANUP_TIMEOUT_MS = 5000
/** A demo does not wait long for the next attempt to connect. */
const MAX_DELAY = 1000

const KINDS: Readonly<Record<Broker['kind'], string>> = {
  url: 'the broker of AMQP_URL',
  docker: 'a broker in Docker',
  node: 'a private node',
}

interface Arguments {
  readonly file: string | undefined
  readonly chaos: boolean
}

interface QueueConsumer {
  readonly path: string
  readonly file: FileHandle
  readonly size: number
}

class UsageError extends DemoError {}

/** A signal asks us to end. */
class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`ended by ${signal}`)
  }
}

const note = (line: string): void => console.error(`demo: ${line}`)

function parse(args: string[]): Arguments | 'help' {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, chaos: { type: 'boolean', default: false } },
    })
    if (values.help === true) return 'help'
    if (positionals.length > 1) throw new Error('one file at a time')
    return { file: positionals[0], chaos: values.chaos }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
}

async function openSource(path: string): Promise<QueueConsumer> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const stat = await file.stat()
    if (stat.isDirectory()) throw new DemoError(`${path}: is a directory`)
    if (!stat.isFile()) throw new DemoError(`${path}: is not a regular file`)
    return { path, file, size: stat.size }
  } catch (error) {
    await file?.close()
    if (error instanceof DemoError) throw error
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new DemoError(`${path}: ${FAULTS[code] ?? message}`)
  }
}

/** Sends the source through the broker, with chaos or without; true if what came out is what went in. */
async function send(
  source: QueueConsumer,
  broker: Broker,
  chaos: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const way = chaos ? await Chaos.start(broker.url) : undefined
  try {
    return await sendBy(way, source, broker, signal)
  } finally {
    await way?.stop()
  }
}

async function sendBy(
  way: Chaos | undefined,
  source: QueueConsumer,
  broker: Broker,
  signal: AbortSignal,
): Promise<boolean> {
  const recovery = { maxDelay: MAX_DELAY }
  // The way may be cut at any moment, also before the first connection is made.
  const client = await connect(way?.url ?? broker.url, {
    connectionName: 'puka-amqp demo',
    recovery,
    retryInitial: way !== undefined,
  })
  client.on('blocked', reason => note(`the broker takes no messages for now: ${reason}`))
  const rebuilt = await RebuiltFile.create()
  const queue = `puka-amqp.demo.${process.pid}.${Date.now()}`
  try {
    const info = await client.connect()
    await client.queueDeclare(queue, { arguments: { 'x-expires': QUEUE_EXPIRES_MS } })
    return await sendThrough(client, info, queue, source, rebuilt, broker, way, signal)
  } finally {
    await client.queueDelete(queue, { timeout: CLEANUP_TIMEOUT_MS }).catch(() => undefined)
    await client.close()
    await rebuilt.remove()
  }
}

async function sendThrough(
  client: Client,
  info: ServerInfo,
  queue: string,
  source: QueueConsumer,
  rebuilt: RebuiltFile,
  broker: Broker,
  way: Chaos | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const hash = createHash('sha256')
  // Hashed as it is read, before it is cut: a fault in the cutting shows.
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of source.file.createReadStream({ autoClose: false })) {
      hash.update(chunk as Buffer)
      yield chunk as Buffer
    }
  }
  const transfer = new Transfer(client, queue)
  const { published, received } = transfer
  const stopProgress = showProgress({ published, received }, source.size)
  try {
    await transfer.run(piecesOf(chunks()), piece => rebuilt.append(piece), signal)
  } finally {
    stopProgress()
  }
  const shaIn = hash.digest('hex')
  const shaOut = await rebuilt.digest()
  const latency = (percentile: number): string =>
    received.messages === 0 ? '-' : `${transfer.latency(percentile).toFixed(1)} ms`
  console.log(`
file         ${source.path}
broker       ${info.product} ${info.version}, ${KINDS[broker.kind]}
messages     ${count(received.messages)}
bytes        ${count(received.bytes)}
published    ${count(published.rate)} messages/s, each one confirmed
consumed     ${count(received.rate)} messages/s, each one acknowledged
latency      p50 ${latency(50)}, p99 ${latency(99)}, from publish to consume${way === undefined ? '' : chaosLines(way, client, transfer)}
SHA-256 in   ${shaIn}
SHA-256 out  ${shaOut}
${shaIn === shaOut ? 'equal' : 'NOT EQUAL'}`)
  return shaIn === shaOut
}

function chaosLines({ cuts }: Chaos, client: Client, { duplicates }: Transfer): string {
  const { reconnects, resent } = client.metrics()
  return `
cuts         ${count(cuts)}, recovered ${count(reconnects)} times
sent again   ${count(resent)}, since their confirms were lost
duplicates   ${count(duplicates)}, known by their numbers and left out`
}

async function main(args: string[], signal: AbortSignal): Promise<boolean> {
  const parsed = parse(args)
  if (parsed === 'help') {
    console.log(USAGE)
    return true
  }
  // npm changes to the project's folder; the file is named as seen from where npm was called.
  const { file, chaos } = parsed
  const path = file === undefined ? DEFAULT_FILE : resolve(process.env.INIT_CWD ?? process.cwd(), file)
  const source = await openSource(path)
  try {
    const broker = await unlessInterrupted(startBroker({ log: note }), signal)
    try {
      return await send(source, broker, chaos, signal)
    } finally {
      await broker.stop()
    }
  } finally {
    await source.file.close()
  }
}

/** A broker that is still on its way when we are told to end is removed by its guard. */
function unlessInterrupted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
    promise.then(resolve, reject)
  })
}

/** The first signal ends the demo in order, a later one at once. */
function interruptOn(signals: readonly NodeJS.Signals[]): AbortSignal {
  const controller = new AbortController()
  for (const name of signals) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(statusOf(name))
      controller.abort(new Interrupted(name))
    })
  }
  return controller.signal
}

const statusOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

/** A line says it all: our own errors, the broker's, the client's, and those of files. */
function isPlain(error: unknown): error is Error {
  if (error instanceof DemoError || error instanceof BrokerError || error instanceof AmqpError) return true
  return error instanceof Error && 'syscall' in error
}

const interrupted = interruptOn(['SIGINT', 'SIGTERM', 'SIGHUP'])
try {
  if (!(await main(process.argv.slice(2), interrupted))) process.exitCode = 1
} catch (error) {
  if (error instanceof Interrupted) {
    note(error.message)
    process.exit(statusOf(error.signal))
  }
  if (!isPlain(error)) throw error
  note(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
