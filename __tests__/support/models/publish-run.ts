/**
 * Owns a run of random steps of publishing on a real broker: it takes the steps, notes what comes of them, and reads what is
 * stored in the end. What is right is for the model to say.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Client, Message, NoRouteError, PublishOptions, ReturnedMessage } from '../../../src/index.js'
import type { TcpProxy } from '../faults/proxy.js'
import { PublishModel, type PublishRecord } from './publish-model.js'
import {
  type ChangeStep,
  EXCHANGE_TYPES,
  type PublishStep,
  QUEUES,
  type Step,
  type Target,
} from './publish-steps.js'

/** What the runs share. */
export interface Surroundings {
  /** A client whose connection holds. */
  readonly other: Client
  /** The user of the client under test. */
  readonly user: string
  /** The topic exchange where this user may publish with keys of some prefix. */
  readonly guarded: string
}

/** A message that was stored. */
export interface Stored {
  readonly id: number
  readonly size: number
}

const LAST = 'last'

export class PublishRun {
  readonly model = new PublishModel()
  readonly records: PublishRecord[] = []
  /** How often each message came back, by its number. */
  readonly returned = new Map<number, number>()
  cuts = 0
  /** The sum of what the `lost` events told. */
  told = 0
  /** What must not have happened. */
  readonly troubles: string[] = []
  readonly #name = `puka-test-${randomBytes(6).toString('hex')}`
  readonly #settled: Promise<void>[] = []
  /** The changes of an exchange come one after the other: nobody could say what comes of two at once. */
  readonly #changes = new Map<number, Promise<void>>()
  #onNews = (): void => undefined

  constructor(
    readonly client: Client,
    readonly proxy: TcpProxy | undefined,
    readonly surroundings: Surroundings,
  ) {
    client.on('return', message => {
      const id = markOf(message.properties.messageId, message.headers.id, message.body)
      this.returned.set(id, (this.returned.get(id) ?? 0) + 1)
      this.#onNews()
    })
    client.on('lost', count => {
      this.told += count
      this.#onNews()
    })
  }

  /** Declares what the steps are about. */
  async prepare(queueType: 'classic' | 'quorum'): Promise<void> {
    const { other, guarded } = this.surroundings
    const queues = Array.from({ length: QUEUES }, (_, number) => this.#queue(number))
    await Promise.all([
      ...queues.map((name, number) =>
        other.queueDeclare(name, { arguments: { 'x-queue-type': number === 0 ? queueType : 'classic' } }),
      ),
      other.queueDeclare(this.#full, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } }),
      other.exchangeDeclare(this.#internal, { internal: true }),
      ...EXCHANGE_TYPES.map((type, number) => other.exchangeDeclare(this.#exchange(number), { type })),
    ])
    await Promise.all([
      other.basicPublish('', this.#full, 'nothing else'),
      other.queueBind(this.#queue(0), guarded, `open.${this.#name}`),
      ...EXCHANGE_TYPES.map((_, number) => this.#bind(other, number)),
    ])
  }

  /** Removes it all. */
  async remove(): Promise<void> {
    const { other } = this.surroundings
    const queues = Array.from({ length: QUEUES }, (_, number) => this.#queue(number))
    await Promise.all([...queues, this.#full].map(name => other.queueDelete(name)))
    const exchanges = EXCHANGE_TYPES.map((_, number) => this.#exchange(number))
    await Promise.all([...exchanges, this.#internal].map(name => other.exchangeDelete(name)))
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        this.#publish(step)
        break
      case 'delete':
      case 'restore': {
        if (step.wait) await this.settle()
        const before = this.#changes.get(step.exchange) ?? Promise.resolve()
        const change = before.then(() => this.#change(step))
        this.#changes.set(step.exchange, change)
        if (step.wait) await change
        else change.catch(() => undefined)
        break
      }
      case 'cut':
        this.cuts++
        this.proxy?.cut(step.how)
        break
      case 'turn':
        await turn()
        break
      case 'await':
        await this.#settled.at(-1 - step.back)
        break
      case 'settle':
        await this.settle()
    }
  }

  /** Waits until every outcome is known, and the broker has dealt with everything. */
  async settle(): Promise<void> {
    await Promise.all([...this.#settled, ...this.#changes.values()])
    await this.#sync()
    const time = this.model.now()
    for (const record of this.records) record.over = Math.min(record.over, time)
  }

  /** Reads what a queue holds, in order. */
  async read(number: number): Promise<Stored[]> {
    const { other } = this.surroundings
    const queue = this.#queue(number)
    await other.basicPublish('', queue, '', { messageId: LAST })
    const stored: Stored[] = []
    for await (const message of other.basicConsume(queue, { noAck: true })) {
      if (message.properties.messageId === LAST) break
      stored.push({ id: idOf(message), size: message.body.length })
    }
    return stored
  }

  #publish(step: PublishStep): void {
    const { model, records } = this
    const id = records.length
    const [exchange, routingKey] = this.#routeOf(step.target)
    const { confirm, mandatory, retry, userId, size, mark, invalid } = step
    const body = mark === 'body' ? `${id} `.padEnd(size, 'x') : Buffer.alloc(size, 'y')
    const options: PublishOptions = {
      ...(confirm ? {} : { confirm }),
      ...(mandatory ? { mandatory } : {}),
      ...(retry ? {} : { retry }),
      ...(userId === 'none' ? {} : { userId: userId === 'own' ? this.surroundings.user : 'somebody' }),
      ...(mark === 'messageId' ? { messageId: String(id) } : {}),
      ...(mark === 'header' ? { headers: { id } } : {}),
      ...(invalid ? { expiration: 'abc' } : {}),
    }
    const record: PublishRecord = {
      id,
      step,
      began: model.now(),
      outcome: 'pending',
      text: '',
      settled: Number.POSITIVE_INFINITY,
      over: Number.POSITIVE_INFINITY,
    }
    records.push(record)
    const published = this.client.basicPublish(exchange, routingKey, body, options)
    const settled = published.then(
      () => this.#settle(record, 'ok'),
      (error: Error) => {
        record.text = error.message
        this.#settle(record, error.name)
        if (error.name === 'NoRouteError') this.#checkReturned(id, (error as NoRouteError).returned)
      },
    )
    this.#settled.push(settled)
  }

  #settle(record: PublishRecord, outcome: string): void {
    record.outcome = outcome
    record.settled = this.model.now()
    if (record.step.confirm || outcome !== 'ok') record.over = record.settled
  }

  #checkReturned(id: number, { properties, headers, body }: ReturnedMessage): void {
    const mark = markOf(properties.messageId, headers.id, body)
    if (mark !== id) this.troubles.push(`publish ${id} was given message ${mark} back`)
  }

  async #change(step: ChangeStep): Promise<void> {
    const { model, client } = this
    const by = step.by === 'self' ? client : this.surroundings.other
    const name = this.#exchange(step.exchange)
    if (step.do === 'delete') {
      const ended = model.deleting(step.exchange, step.by)
      await by.exchangeDelete(name)
      ended()
    } else {
      const ended = model.restoring(step.exchange)
      await by.exchangeDeclare(name, { type: EXCHANGE_TYPES[step.exchange] ?? 'fanout' })
      await this.#bind(by, step.exchange)
      ended()
    }
  }

  /** Resolves when the broker has dealt with what was published without a confirm, or it is told to be lost. */
  async #sync(): Promise<void> {
    for (let round = 1; ; round++) {
      const id = -this.records.length - 1000 * round
      const { told } = this
      await this.client.basicPublish('', this.#nowhere, '', {
        confirm: false,
        mandatory: true,
        messageId: String(id),
      })
      while (!this.returned.has(id) && this.told === told) {
        await new Promise<void>(resolve => {
          this.#onNews = resolve
        })
      }
      if (this.returned.has(id)) return
    }
  }

  async #bind(by: Client, exchange: number): Promise<void> {
    await by.queueBind(this.#queue(exchange % QUEUES), this.#exchange(exchange), 'key')
  }

  #routeOf(target: Target): [exchange: string, routingKey: string] {
    switch (target.to) {
      case 'queue':
        return ['', this.#queue(target.number)]
      case 'exchange':
        return [this.#exchange(target.number), target.routed ? 'key' : 'other key']
      case 'missing':
        return [`${this.#name}-missing-${target.number}`, 'key']
      case 'internal':
        return [this.#internal, 'key']
      case 'nowhere':
        return ['', this.#nowhere]
      case 'full':
        return ['', this.#full]
      case 'permitted':
        return [this.surroundings.guarded, `open.${this.#name}`]
      case 'forbidden':
        return [this.surroundings.guarded, `shut.${this.#name}`]
    }
  }

  #queue(number: number): string {
    return `${this.#name}-q${number}`
  }

  #exchange(number: number): string {
    return `${this.#name}-e${number}`
  }

  get #full(): string {
    return `${this.#name}-full`
  }

  get #internal(): string {
    return `${this.#name}-internal`
  }

  get #nowhere(): string {
    return `${this.#name}-nowhere`
  }
}

function idOf({ properties, headers, body }: Message): number {
  return markOf(properties.messageId, headers.id, body)
}

/** The number that a message carries. */
function markOf(messageId: string | undefined, header: unknown, body: Uint8Array): number {
  if (messageId !== undefined) return Number(messageId)
  if (header !== undefined) return Number(header)
  return Number.parseInt(Buffer.from(body.subarray(0, 20)).toString(), 10)
}
