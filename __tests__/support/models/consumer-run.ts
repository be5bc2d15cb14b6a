/**
 * Owns a run of random steps of consuming from a real broker: it takes the steps, and in the end waits until everything is
 * processed, and looks for what is left over.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { Client } from '../../../src/index.js'
import { brokerIsAtLeast } from '../broker/broker.js'
import type { FrameProxy } from '../faults/frame-proxy.js'
import type { TcpProxy } from '../faults/proxy.js'
import { eventually } from '../outcome.js'
import { ConsumerActor, type Stage } from './consumer-actor.js'
import { FaultHistory, Ledger } from './consumer-ledger.js'
import { KINDS, type Plan, type Step } from './consumer-steps.js'

/** Milliseconds for everything to be processed in the end, and for promises to settle. */
const PATIENCE = 20_000
const RECOVERY = { initialDelay: 5, maxDelay: 50 }
/** More stops in a row than this are not made: a consumer that gets no message between gives up after some more. */
const MOST_FRUITLESS = 1
/** A queue that is missing for so many milliseconds may be given up. */
const SLOW = 600
/** So many milliseconds after its queue is back, a consumer knows of it. */
const TOLD = 1000

export class ConsumerRun implements Stage {
  readonly ledger = new Ledger()
  readonly actors: readonly ConsumerActor[]
  /** How often each fault was made. */
  readonly faults: string[] = []
  calm = false
  readonly #plan: Plan
  /** A client whose connection holds. */
  readonly #other: Client
  readonly #link: TcpProxy
  readonly #frames: FrameProxy
  readonly #name = `puka-test-${randomBytes(5).toString('hex')}`
  #client: Client
  #ready: Promise<Client>
  readonly #leaving = new WeakSet<Client>()
  /** The queues that somebody reads. */
  readonly #read: readonly number[]
  readonly #promises = new Map<Promise<unknown>, string>()

  /** The client goes through `link` to `frames`, and from there to the broker. */
  constructor(other: Client, link: TcpProxy, frames: FrameProxy, plan: Plan) {
    this.#other = other
    this.#link = link
    this.#frames = frames
    this.#plan = plan
    this.#read = [...new Set(plan.consumers.flatMap(({ queues }) => queues))]
    this.#client = this.#newClient()
    this.#ready = Promise.resolve(this.#client)
    this.actors = plan.consumers.map(
      (spec, number) => new ConsumerActor(this, `${this.#name}-c${number}`, spec),
    )
  }

  client(): Promise<Client> {
    return this.#ready
  }

  isLeaving(client: Client): boolean {
    return this.#leaving.has(client)
  }

  nameOf(queue: number): string {
    return `${this.#name}-q${queue}`
  }

  async prepare(): Promise<void> {
    await Promise.all(KINDS.map((_, queue) => this.#declare(this.#other, queue)))
    await this.#connect()
    for (const actor of this.actors) actor.start()
  }

  async remove(): Promise<void> {
    await this.#client.close()
    await Promise.all(KINDS.map((_, queue) => this.#other.queueDelete(this.nameOf(queue))))
  }

  async take(step: Step): Promise<void> {
    const actor = 'consumer' in step ? this.actors[step.consumer % this.actors.length] : undefined
    switch (step.do) {
      case 'publish':
        await this.#publish(step.queue, step.count)
        break
      case 'leave':
        actor?.leave(step.how)
        break
      case 'pause':
        actor?.consumer?.pause()
        break
      case 'resume':
        actor?.consumer?.resume()
        break
      case 'qos':
        if (actor !== undefined) this.#changePrefetch(actor, step.count, step.facade)
        break
      case 'cancel':
        if (actor !== undefined) this.#stop(actor, 'cancel', step.item)
        break
      case 'close':
        if (actor !== undefined) this.#stop(actor, 'close', 0)
        break
      case 'settle':
        actor?.hand.settleOne(step.how, step.latest)
        break
      case 'redeclare':
        await this.#redeclare(step.queue)
        break
      case 'cut':
        this.#cut(step.how)
        break
      case 'restart':
        await this.#restart(step.how)
        break
      case 'wait':
        await delay(step.milliseconds)
        break
      case 'turn':
        await turn()
    }
  }

  /** Waits for the end of all of it. Returns what is wrong. */
  async finish(): Promise<string[]> {
    const { troubles } = this.ledger
    this.calm = true
    if (!(await this.#comesTrue(() => this.#isDone()))) troubles.push(...(await this.#describe()))
    for (const actor of this.actors) this.#await(actor.stop(), `the end of ${actor}`)
    await this.#comesTrue(() => this.#promises.size === 0)
    troubles.push(...[...this.#promises.values()].map(what => `pending: ${what}`))
    const { unsettled, consumers } = this.#client.metrics()
    if (unsettled !== 0 || consumers !== 0)
      troubles.push(`there are ${unsettled} unsettled messages and ${consumers} consumers in the end`)
    this.#leaving.add(this.#client)
    await this.#client.drain({ timeout: PATIENCE }).catch(error => troubles.push(`drain: ${String(error)}`))
    // What the broker has not got an ack for is there again.
    await eventually(async () =>
      (await this.#left()).every(({ consumerCount }) => consumerCount === 0),
    ).catch(() => troubles.push('there are consumers left at the broker'))
    await delay(20)
    for (const { queue, messageCount } of await this.#left()) await this.#checkLeft(queue, messageCount)
    return troubles
  }

  /** What is there again must be what a fault has kept from being settled. */
  async #checkLeft(queue: string, count: number): Promise<void> {
    for (let taken = 0; taken < count; taken++) {
      const message = await this.#other.basicGet(queue, { noAck: true })
      if (message !== null) this.ledger.takenOut(message.text(), true, new FaultHistory())
    }
  }

  #newClient(): Client {
    return new Client(this.#link.url, { recovery: RECOVERY })
  }

  async #connect(): Promise<Client> {
    const client = this.#client
    await client.connect()
    if (this.#plan.declares) await Promise.all(KINDS.map((_, queue) => this.#declare(client, queue)))
    return client
  }

  async #declare(client: Client, queue: number): Promise<void> {
    const kind = KINDS[queue] ?? 'classic'
    const limit = kind === 'quorum' ? { 'x-delivery-limit': 1_000_000 } : {}
    await client.queueDeclare(this.nameOf(queue), { arguments: { 'x-queue-type': kind, ...limit } })
  }

  /** Publishes to one of the queues that are read. */
  async #publish(number: number, count: number): Promise<void> {
    const { ledger } = this
    const queue = this.#read[number % this.#read.length] ?? 0
    const isStream = KINDS[queue] === 'stream'
    const ids = Array.from({ length: count }, () =>
      isStream ? ledger.newOffset(queue) : ledger.newMessage(queue),
    )
    await this.#publishAll(queue, ids)
  }

  async #publishAll(queue: number, ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map(id => this.#other.basicPublish('', this.nameOf(queue), id)))
  }

  #changePrefetch({ consumer, spec }: ConsumerActor, count: number, facade: boolean): void {
    if (consumer === undefined) return
    const changed = facade ? this.#client.basicQos(consumer, count) : consumer.qos(count)
    const watched = changed.catch(error => {
      if (consumer.state.name === 'ended') return
      this.ledger.troubles.push(`qos of ${spec.queues.length} queues: ${String(error)}`)
    })
    this.#await(watched, `qos ${count}`)
  }

  /** The broker seems to stop a consumer. */
  #stop(actor: ConsumerActor, what: 'cancel' | 'close', item: number): void {
    if (actor.fruitless > MOST_FRUITLESS) return
    const tag = actor.tagOf(item)
    const noticed = what === 'cancel' ? this.#frames.cancel(tag) : this.#frames.closeChannel(tag)
    if (noticed === undefined) return
    this.faults.push(what)
    actor.fruitless++
    actor.history.add(noticed)
  }

  #cut(how: 'reset' | 'end'): void {
    if (!this.#client.isOpen) return
    this.faults.push('cut')
    const noticed = once(this.#client, 'disconnect')
    for (const { history } of this.actors) history.add(noticed)
    this.#link.cut(how)
  }

  async #restart(how: 'close' | 'drain'): Promise<void> {
    const client = this.#client
    this.faults.push(how)
    this.#leaving.add(client)
    let open = (_: Client): void => undefined
    this.#ready = new Promise(resolve => {
      open = resolve
    })
    // What was settled before holds.
    for (const { history } of this.actors) history.add().ended = performance.now()
    for (const { hand } of this.actors) hand.surrenderedUntil = Number.POSITIVE_INFINITY
    const closed = how === 'close' ? client.close() : client.drain({ timeout: PATIENCE })
    let over = false
    const closing = closed
      .catch(error => this.ledger.troubles.push(`${how}: ${String(error)}`))
      .finally(() => {
        over = true
      })
    this.#await(closing, how)
    while (!over && this.#promises.has(closing)) {
      for (const { hand } of this.actors) hand.ackAll()
      await delay(5)
    }
    for (const { hand } of this.actors) {
      hand.ackAll()
      hand.surrenderedUntil = performance.now()
    }
    this.#client = this.#newClient()
    open(await this.#connect())
  }

  /** A queue is deleted, and comes back with what was not processed. */
  async #redeclare(queue: number): Promise<void> {
    const readers = this.actors.filter(({ spec }) => spec.queues.includes(queue))
    const isSafe = readers.every(
      ({ consumer, fruitless }) => consumer?.state.name === 'running' && fruitless === 0,
    )
    if (KINDS[queue] === 'stream' || !this.#client.isOpen || !isSafe) return
    this.faults.push('redeclare')
    const faults = readers.map(({ history }) => history.add())
    const began = performance.now()
    await this.#other.queueDelete(this.nameOf(queue))
    // RabbitMQ 3.10 tells no consumer of it where a quorum queue is declared again at once, whatever the client.
    if (KINDS[queue] === 'quorum' && !brokerIsAtLeast(4)) {
      const isTold = ({ consumer }: ConsumerActor): boolean => consumer?.state.name !== 'running'
      await eventually(() => readers.every(isTold))
    }
    await this.#declare(this.#other, queue)
    for (const reader of readers) {
      reader.fruitless += 2
      reader.mayGiveUp ||= performance.now() - began > SLOW
    }
    await this.#publishAll(queue, this.ledger.lost(queue))
    for (const fault of faults) fault.ended = performance.now() + TOLD
  }

  #await(promise: Promise<unknown>, what: string): void {
    this.#promises.set(promise, what)
    const done = (): void => void this.#promises.delete(promise)
    promise.then(done, error => {
      done()
      this.ledger.troubles.push(`${what}: ${String(error)}`)
    })
  }

  async #isDone(): Promise<boolean> {
    for (const actor of this.actors) {
      actor.stay()
      actor.hand.ackAll()
    }
    if (this.ledger.missing().length > 0 || !this.#hasReadStreams || this.#client.metrics().unsettled > 0)
      return false
    return (await this.#unread()).length === 0
  }

  get #hasReadStreams(): boolean {
    return this.actors.every(({ hasReadStreams }) => hasReadStreams)
  }

  /** The queues that hold messages. */
  async #unread() {
    return (await this.#left()).filter(({ messageCount }) => messageCount > 0)
  }

  /** What is in the queues that forget what is acked. */
  #left() {
    const numbers = KINDS.flatMap((kind, number) => (kind === 'stream' ? [] : [number]))
    return Promise.all(
      numbers.map(async number => ({
        number,
        ...(await this.#other.queueDeclare(this.nameOf(number), { passive: true })),
      })),
    )
  }

  async #describe(): Promise<string[]> {
    const missing = this.ledger.missing()
    const left = (await this.#left()).map(
      ({ number, messageCount: ready }) => `${KINDS[number]} ${number}: ${ready}`,
    )
    const { unsettled, reconnects } = this.#client.metrics()
    return [
      `not processed: ${missing.slice(0, 20).join(' ')}${missing.length > 20 ? ` and ${missing.length - 20} more` : ''}`,
      `ready: ${left.join(', ')}; unsettled ${unsettled}; reconnects ${reconnects}`,
      ...this.actors.map(String),
    ]
  }

  async #comesTrue(condition: () => boolean | Promise<boolean>): Promise<boolean> {
    try {
      await eventually(condition, PATIENCE)
      return true
    } catch {
      return false
    }
  }
}
