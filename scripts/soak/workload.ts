/**
 * Owns one round of the soak: every operation of the client, a third of which fails, each in the way that it should.
 * Knows nothing of what is measured.
 */
import type { Client, Message } from 'puka-amqp'
import { SoakError } from './errors.js'

/** How a call is to end: with 'ok', or with an error of this name. */
type Ending = 'ok' | `${string}Error`

export interface Tally {
  succeeded: number
  failed: number
}

const REASON = Object.assign(new Error('no longer wanted'), { name: 'NoLongerWantedError' })
const LARGE = Buffer.alloc(300_000, 'x')

export class Workload {
  readonly tally: Tally = { succeeded: 0, failed: 0 }
  readonly #client: Client
  readonly #prefix: string
  #round = 0

  constructor(client: Client, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  /** Runs a round; it leaves nothing behind. Rejects where an operation ends in a way that it should not. */
  async round(): Promise<void> {
    const client = this.#client
    const name = `${this.#prefix}.${this.#round++}`
    const nowhere = `${name}.nowhere`
    const [queue, exchange, second] = [`${name}.q`, `${name}.e`, `${name}.e2`]
    try {
      await this.#topology(queue, exchange, second, nowhere)
      await this.#publishing(queue, exchange, nowhere)
      await this.#getting(queue, nowhere)
      await this.#consuming(queue, nowhere)
      await this.#endings(queue)
      await this.#givenUp(queue, exchange)
    } finally {
      await client.queueDelete(queue)
      // One by one: RabbitMQ 3.10 crashes (541) where both ends of a binding are deleted at once.
      await client.exchangeDelete(second)
      await client.exchangeDelete(exchange)
    }
  }

  /** Awaits a call, and counts it; rejects where it ends otherwise. */
  async #expect(ending: Ending, promise: Promise<unknown>): Promise<void> {
    let actual = 'ok'
    let cause: unknown
    try {
      await promise
    } catch (error) {
      actual = error instanceof Error ? error.name : String(error)
      cause = error
    }
    if (actual !== ending) throw new SoakError(`expected ${ending}, got ${actual}`, { cause })
    if (ending === 'ok') this.tally.succeeded++
    else this.tally.failed++
  }

  async #topology(queue: string, exchange: string, second: string, nowhere: string): Promise<void> {
    const client = this.#client
    await Promise.all([
      this.#expect('ok', client.queueDeclare(queue, { arguments: { 'x-expires': 600_000 } })),
      this.#expect('ok', client.exchangeDeclare(exchange, { type: 'fanout' })),
      this.#expect('ok', client.exchangeDeclare(second)),
      this.#expect('NotFoundError', client.queueDeclare(nowhere, { passive: true })),
      this.#expect('NotFoundError', client.exchangeDeclare(nowhere, { passive: true })),
    ])
    await Promise.all([
      this.#expect('ok', client.queueBind(queue, exchange)),
      this.#expect('ok', client.queueBind(queue, exchange, 'other')),
      this.#expect('ok', client.exchangeBind(exchange, second, 'key')),
      this.#expect('PreconditionFailedError', client.queueDeclare(queue)),
      this.#expect('PreconditionFailedError', client.exchangeDeclare(exchange, { type: 'topic' })),
      this.#expect('NotFoundError', client.queueBind(nowhere, exchange)),
      this.#expect('NotFoundError', client.exchangeBind(exchange, nowhere)),
      this.#expect('AccessRefusedError', client.queueBind(queue, '')),
    ])
    await Promise.all([
      this.#expect('ok', client.queueUnbind(queue, exchange, 'other')),
      this.#expect('ok', client.queueUnbind(nowhere, exchange)),
      this.#expect('ok', client.exchangeUnbind(exchange, second, 'never')),
      this.#expect('PreconditionFailedError', client.exchangeDelete(exchange, { ifUnused: true })),
    ])
  }

  async #publishing(queue: string, exchange: string, nowhere: string): Promise<void> {
    const client = this.#client
    const batch: Promise<void>[] = []
    for (let index = 0; index < 14; index++) {
      batch.push(
        this.#expect('ok', client.basicPublish('', queue, `body ${index}`, { headers: { index } })),
        this.#expect('ok', client.basicPublish(exchange, '', '', { mandatory: true, messageId: `${index}` })),
      )
      if (index % 4 > 0) continue
      batch.push(this.#expect('NoRouteError', client.basicPublish('', nowhere, 'x', { mandatory: true })))
    }
    batch.push(this.#expect('ok', client.basicPublish('', queue, LARGE)))
    for (let index = 0; index < 3; index++) {
      batch.push(this.#expect('NotFoundError', client.basicPublish(`${nowhere}.${index}`, '', 'x')))
      batch.push(this.#expect('ok', client.basicPublish('', queue, 'behind')))
    }
    await Promise.all(batch)
    await this.#expect('ok', client.basicPublish('', queue, 'unconfirmed', { confirm: false }))
    await this.#expect('NotFoundError', client.basicPublish(nowhere, '', 'x', { confirm: false }))
    await this.#expect('PreconditionFailedError', client.queueDelete(queue, { ifEmpty: true }))
  }

  async #getting(queue: string, nowhere: string): Promise<void> {
    const client = this.#client
    const settled = async (noAck: boolean, settle: (message: Message) => void): Promise<void> => {
      const message = await client.basicGet(queue, { noAck })
      if (message === null) throw new SoakError('a message is missing')
      settle(message)
    }
    await Promise.all([
      this.#expect(
        'ok',
        settled(false, message => message.ack()),
      ),
      this.#expect(
        'ok',
        settled(false, message => message.nack()),
      ),
      this.#expect(
        'ok',
        settled(false, message => message.reject({ requeue: false })),
      ),
      this.#expect(
        'ok',
        settled(true, () => undefined),
      ),
      this.#expect('NotFoundError', client.basicGet(nowhere)),
      this.#expect(
        'AlreadySettledError',
        settled(true, message => message.ack()),
      ),
    ])
  }

  async #consuming(queue: string, nowhere: string): Promise<void> {
    const client = this.#client
    const loop = async (take: number, noAck: boolean): Promise<void> => {
      let taken = 0
      for await (const message of client.basicConsume(queue, { prefetchCount: 4, noAck })) {
        if (!noAck) message.ack()
        if (++taken === take) break
      }
    }
    await this.#expect('ok', loop(5, false))
    await this.#expect('ok', loop(2, true))
    await this.#expect('NotFoundError', client.basicConsume(nowhere).ready)
    const exclusive = client.basicConsume(queue, { exclusive: true, prefetchCount: 1 })
    await this.#expect('ok', exclusive.ready)
    await this.#expect('AccessRefusedError', client.basicConsume(queue).ready)
    await this.#expect('PreconditionFailedError', client.queueDelete(queue, { ifUnused: true }))
    await this.#expect('ok', client.basicQos(exclusive, 3))
    await this.#expect('ok', client.basicCancel(exclusive))
    await this.#expect('ok', this.#handlers(queue))
  }

  /** Half of the handlers fail, and drop what they fail at. */
  async #handlers(queue: string): Promise<void> {
    const consumer = this.#client.basicConsumeMulti([queue, queue])
    let handled = 0
    const handler = async (message: Message): Promise<void> => {
      if (++handled === 6) void consumer.cancel()
      if (handled % 2 === 0) throw new SoakError(message.exchange)
    }
    await consumer.forEach(handler, { concurrency: 2, requeue: false })
  }

  async #endings(queue: string): Promise<void> {
    const client = this.#client
    const drain = async (): Promise<void> => {
      for await (const message of client.basicConsume(`${queue}.gone`)) message.ack()
    }
    await this.#expect('ok', client.queueDeclare(`${queue}.gone`))
    const looping = this.#expect('ConsumerCancelledError', drain())
    await this.#expect('ok', client.basicPublish('', `${queue}.gone`, 'x'))
    await this.#untilConsumed(`${queue}.gone`)
    await this.#expect('ok', client.queueDelete(`${queue}.gone`))
    await looping
    await this.#expect('ok', client.queuePurge(queue))
    await this.#expect('NotFoundError', client.queuePurge(`${queue}.gone`))
    await this.#expect('NotFoundError', client.queueDeclare(`${queue}.gone`, { passive: true }))
  }

  async #untilConsumed(queue: string): Promise<void> {
    const consumed = async (): Promise<boolean> => {
      const { consumerCount } = await this.#client.queueDeclare(queue, { passive: true })
      return consumerCount > 0
    }
    while (!(await consumed()));
  }

  /** Operations given up before they begin, as soon as they have begun, and at a moment of chance. */
  async #givenUp(queue: string, exchange: string): Promise<void> {
    const client = this.#client
    const aborted = AbortSignal.abort(REASON)
    const controller = new AbortController()
    const { signal } = controller
    const givenUp = [
      client.queueDeclare(queue, { passive: true, signal: aborted }),
      client.basicPublish('', queue, 'never', { signal: aborted }),
      client.basicGet(queue, { signal }),
      client.exchangeDeclare(exchange, { type: 'fanout', signal }),
      client.basicPublish('', queue, 'never', { signal }),
    ].map(promise => this.#expect('NoLongerWantedError', promise))
    controller.abort(REASON)
    const late = client.queuePurge(queue, { timeout: 1 }).catch(error => {
      if ((error as Error).name !== 'TimeoutError') throw error
    })
    await Promise.all([...givenUp, late])
  }
}
