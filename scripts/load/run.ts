/**
 * Owns one run: clients, queues, consumers, traffic, the order in which they begin and end, and what must hold then.
 * Knows nothing of arguments, of the exit status, or of how a broker is found.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect } from 'puka-amqp'
import { Faults } from './faults.js'
import { describeFigures, type Figures, figures, figuresAtRest, LoopDelay } from './figures.js'
import { Ledger } from './ledger.js'
import { clientsOf, type Plan } from './plan.js'
import { Readers } from './readers.js'
import { Traffic } from './traffic.js'

/** Messages that may be on their way from publish to receipt. */
const MOST_OUTSTANDING = 100_000
const REPORT_EVERY = 10_000
/** What is left of a run that was killed goes away by itself. */
const QUEUE_EXPIRES = 600_000

const count = (value: number): string => value.toLocaleString('en')

export class Run {
  readonly faults = new Faults()
  readonly #ledger = new Ledger(MOST_OUTSTANDING)
  readonly #plan: Plan
  readonly #prefix: string
  readonly #print: (line: string) => void
  readonly #begun = Date.now()
  #hangs = false

  constructor(plan: Plan, prefix: string, print: (line: string) => void) {
    this.#plan = plan
    this.#prefix = prefix
    this.#print = print
  }

  /** Resolves when everything is closed; what went wrong is in `faults`. */
  async toEnd(url: string): Promise<void> {
    const before = await figuresAtRest()
    this.#tell(`before: ${describeFigures(before)}`)
    const clients = await this.#connect(url)
    try {
      await this.#use(clients)
    } finally {
      await Promise.all(clients.map(client => this.faults.watch('a close', client.close())))
    }
    const after = await figuresAtRest()
    this.#tell(`all closed: ${describeFigures(after)}`)
    this.#checkHandles(before, after)
  }

  async #connect(url: string): Promise<Client[]> {
    const connecting = Array.from({ length: clientsOf(this.#plan) }, (_, index) =>
      connect(url, { connectionName: `${this.#prefix}.${index}` }),
    )
    const outcomes = await Promise.allSettled(connecting)
    const clients = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed !== undefined) {
      await Promise.all(clients.map(client => client.close()))
      throw failed.reason
    }
    for (const client of clients) this.#listen(client)
    return clients
  }

  #listen(client: Client): void {
    client.on('disconnect', error => this.faults.add(`disconnect: ${error.message}`))
    client.on('lost', number => this.faults.add(`lost: ${number} messages`))
    client.on('topologyError', (_, error) => this.faults.add(`topologyError: ${error.message}`))
    // No fault: the broker asks for patience.
    client.on('blocked', reason => this.#tell(`blocked: ${reason}`))
  }

  async #use(clients: readonly Client[]): Promise<void> {
    const [first] = clients
    if (first === undefined) return
    const queues = Array.from({ length: this.#plan.queues }, (_, index) => `${this.#prefix}.q${index}`)
    await Promise.all(queues.map(queue => declare(first, queue)))
    const { faults } = this
    const readers = new Readers(clients, queues, this.#plan, this.#ledger, faults)
    await readers.ready()
    const started = `${count(readers.size)} consumers, ${readers.slow} of them slow, on ${count(queues.length)} queues`
    this.#tell(
      `${started}, ${clients.length} ${clients.length === 1 ? 'client' : 'clients'}: ${describeFigures(await figuresAtRest())}`,
    )

    const loop = new LoopDelay()
    const traffic = new Traffic(clients, queues, this.#prefix, this.#ledger, faults)
    await this.#watch(traffic, loop)
    await this.#settled('publishes or operations', traffic.end())
    await this.#settled('messages', this.#emptied())
    if (readers.idle > 0) faults.add(`consumers that do not run: ${readers.idle}`)
    await this.#settled('consumers', readers.end())
    this.#tell(`event loop, all in all: ${loop.total()}`)
    await Promise.all(queues.map(queue => faults.watch('a deletion', first.queueDelete(queue))))
    await Promise.all(clients.map(client => faults.watch('a drain', client.drain())))
    this.#checkCounts(traffic, clients)
  }

  async #watch(traffic: Traffic, loop: LoopDelay): Promise<void> {
    const duration = this.#plan.minutes * 60_000
    const reports = Math.max(2, Math.round(duration / REPORT_EVERY))
    let last = { at: Date.now(), published: 0, received: 0, operations: 0 }
    for (let report = 0; report < reports; report++) {
      await delay(duration / reports)
      const { succeeded, failed } = traffic.operations
      const { published, received } = this.#ledger
      const now = { at: Date.now(), published, received, operations: succeeded + failed }
      const rate = (key: 'published' | 'received' | 'operations'): string =>
        count(Math.round((1000 * (now[key] - last[key])) / (now.at - last.at)))
      const rates = `published ${rate('published')}/s, received ${rate('received')}/s, operations ${rate('operations')}/s`
      this.#tell(`${rates}; ${describeFigures(figures())}; event loop ${loop.recent()}`)
      last = now
    }
  }

  /** Resolves when nothing is on its way any more, or what is so hangs. */
  async #emptied(): Promise<void> {
    while (this.#ledger.outstanding > 0 && !this.#hangs) await delay(100)
  }

  /** Awaits it for as long as messages still come in. What hangs is a fault. */
  async #settled(what: string, promise: Promise<unknown>): Promise<void> {
    const { patience } = this.#plan
    const settled = new AbortController()
    const hanging = async (): Promise<void> => {
      let received = -1
      while (received !== this.#ledger.received) {
        received = this.#ledger.received
        await delay(1000 * patience, undefined, { signal: settled.signal })
      }
      this.#hangs = true
      this.faults.add(`${what}: not all has an outcome after ${patience} seconds`)
    }
    const patient = hanging().catch(() => undefined)
    await Promise.race([promise, patient])
    settled.abort()
  }

  #checkCounts(traffic: Traffic, clients: readonly Client[]): void {
    const { published, received, duplicates, damaged, outstanding } = this.#ledger
    const { succeeded, failed } = traffic.operations
    const messages = `${count(published)} messages published, ${count(traffic.confirmed)} confirmed, ${count(received)} received`
    this.#tell(
      `${messages}; ${count(succeeded + failed)} operations, of which ${count(failed)} failed as they should`,
    )
    if (traffic.confirmed !== published)
      this.faults.add(`messages that were not confirmed: ${published - traffic.confirmed}`)
    if (outstanding > 0) this.faults.add(`messages that were lost: ${outstanding}`)
    if (duplicates > 0) this.faults.add(`messages that came twice: ${duplicates}`)
    if (damaged > 0) this.faults.add(`messages that were damaged: ${damaged}`)
    for (const client of clients) {
      const { pendingPublishes, pendingOperations, unsettled, lost, reconnects } = client.metrics()
      for (const [name, value] of Object.entries({
        pendingPublishes,
        pendingOperations,
        unsettled,
        lost,
        reconnects,
      })) {
        if (value !== 0) this.faults.add(`metrics().${name} is ${value} at the end`)
      }
    }
  }

  #checkHandles(before: Figures, after: Figures): void {
    if (after.handles > before.handles) this.faults.add(`handles: from ${before.handles} to ${after.handles}`)
  }

  #tell(text: string): void {
    const seconds = Math.round((Date.now() - this.#begun) / 1000)
    this.#print(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}  ${text}`)
  }
}

async function declare(client: Client, queue: string): Promise<void> {
  await client.queueDeclare(queue, { arguments: { 'x-expires': QUEUE_EXPIRES } })
}
