/** Owns the user's part in a conversation: a client, its calls by name, its consumers, the messages in hand. */
import { inspect } from 'node:util'
import { Client } from '../../../src/client/client.js'
import { Consumer } from '../../../src/client/consumer.js'
import type { Message } from '../../../src/client/message.js'
import type { ClientOptions } from '../../../src/client-options.js'
import type { PublishManyMessage } from '../../../src/options.js'
import { attempt } from '../attempt.js'
import { callWith } from './arguments.js'
import { ABORTED, Ledger } from './ledger.js'

/** A call: its words, a number for whatever takes one, and whether it can be given up by `abort`. */
type Call = (
  user: User,
  words: readonly string[],
  limits: { signal?: AbortSignal; timeout?: number },
) => unknown

const flags = (words: readonly string[], ...names: string[]) =>
  Object.fromEntries(names.filter(name => words.includes(name)).map(name => [name, true]))

const publishOptions = (words: readonly string[]) => ({
  ...flags(words, 'mandatory'),
  ...(words.includes('unconfirmed') ? { confirm: false } : {}),
  ...(words.includes('once') ? { retry: false } : {}),
})

export const calls: Readonly<Record<string, Call>> = {
  connect: ({ client }) => client.connect(),
  close: ({ client }) => client.close(),
  drain: ({ client }) => client.drain({ timeout: 500 }),
  queue: ({ client }, [name = '', ...words], limits) =>
    client.queueDeclare(name, { ...flags(words, 'passive', 'exclusive'), ...limits }),
  exchange: ({ client }, [name = 'e'], limits) => client.exchangeDeclare(name, limits),
  bind: ({ client }, [queue = 'q', exchange = 'e'], limits) => client.queueBind(queue, exchange, 'k', limits),
  unbind: ({ client }, [queue = 'q', exchange = 'e'], limits) =>
    client.queueUnbind(queue, exchange, 'k', limits),
  link: ({ client }, [one = 'e', other = 'f'], limits) => client.exchangeBind(one, other, 'k', limits),
  purge: ({ client }, [name = 'q'], limits) => client.queuePurge(name, limits),
  delete: ({ client }, [name = 'q'], limits) => client.queueDelete(name, limits),
  secret: ({ client }) => client.updateSecret('secret'),
  publish: ({ client }, [exchange = '', key = 'q', size = '1', ...words], limits) =>
    client.basicPublish(exchange === '-' ? '' : exchange, key, Buffer.alloc(Number(size) || 1, 'p'), {
      ...publishOptions(words),
      ...limits,
    }),
  load: ({ client }, [count = '3', key = 'q', ...words], { signal }) =>
    client.publishMany(messages(Number(count) || 1, key), {
      window: 2,
      signal,
      onError: words.includes('tolerant') ? () => undefined : undefined,
    }),
  get: (user, [queue = 'q', ...words], limits) =>
    user.client.basicGet(queue, { ...flags(words, 'noAck'), ...limits }).then(message => {
      if (message !== null) user.take(message)
    }),
  consume: (user, [queue = 'q', prefetchCount = '0', ...words], { signal }) =>
    user.consume(queue, Number(prefetchCount) || 0, words, signal),
  cancel: (user, [index]) => user.consumer(index)?.cancel(),
  qos: (user, [index, count]) => user.consumer(index)?.qos(Number(count) || 1),
  pause: (user, [index]) => user.consumer(index)?.pause(),
  resume: (user, [index]) => user.consumer(index)?.resume(),
  ack: user => user.settle(message => message.ack()),
  'ack-all': user => user.settle(message => message.ack({ multiple: true })),
  nack: user => user.settle(message => message.nack()),
  reject: user => user.settle(message => message.reject({ requeue: false })),
  with: ({ ledger, client }, words) => {
    const given = callWith(client, words)
    if (given instanceof Consumer) ledger.track('ready', () => given.ready)
    return given
  },
  abort: user => user.abort(),
  look: ({ client }) => inspect([client.metrics(), client.state, client.isHealthy]),
}

export class User {
  readonly ledger = new Ledger()
  readonly client: Client
  readonly #consumers: Consumer[] = []
  readonly #inHand: Message[] = []
  #aborter = new AbortController()

  constructor(options: ClientOptions) {
    this.client = new Client('amqp://fuzz', options)
    for (const event of ['disconnect', 'topologyError', 'consumerEnded', 'lost'] as const) {
      this.client.on(event, (...args: readonly unknown[]) => {
        for (const one of args) if (one instanceof Error) this.ledger.failed(event, one)
      })
    }
    this.ledger.track('closed', () => this.client.closed)
  }

  /** Makes a call: `abortable` and `timeout` among its words are for every call. */
  call(name: string, words: readonly string[]): void {
    const limits = {
      ...(words.includes('abortable') ? { signal: this.#aborter.signal } : {}),
      ...(words.includes('timeout') ? { timeout: 100 } : {}),
    }
    this.ledger.track(name, () => calls[name]?.(this, words, limits))
  }

  consumer(index = '0'): Consumer | undefined {
    return this.#consumers[(Number(index) || 0) % Math.max(1, this.#consumers.length)]
  }

  consume(queue: string, prefetchCount: number, words: readonly string[], signal?: AbortSignal): void {
    const consumer = this.client.basicConsume(queue, {
      prefetchCount,
      signal,
      ...flags(words, 'noAck', 'exclusive'),
      ...(words.includes('end') ? { onCancel: 'end' } : {}),
      ...(words.includes('requeue') ? { onLeave: 'requeue' } : {}),
    })
    this.#consumers.push(consumer)
    this.ledger.track('ready', () => consumer.ready)
    if (words.includes('each')) this.ledger.track('forEach', () => consumer.forEach(this.#handle))
    else this.ledger.track('loop', () => this.#loop(consumer, words))
  }

  take(message: Message): void {
    const parts = [
      'exchange',
      'routingKey',
      'redelivered',
      'consumerTag',
      'properties',
      'headers',
      'body',
    ] as const
    for (const part of parts) attempt(() => message[part])
    inspect(message)
    void [message.text(), message.deliveryCount, message.deaths, message.streamOffset]
    this.#inHand.push(message)
  }

  settle(how: (message: Message) => void): void {
    const message = this.#inHand.shift()
    if (message !== undefined) how(message)
  }

  abort(): void {
    this.#aborter.abort(ABORTED)
    this.#aborter = new AbortController()
  }

  async #loop(consumer: Consumer, words: readonly string[]): Promise<void> {
    let taken = 0
    for await (const message of consumer) {
      this.take(message)
      if (words.includes('leave') && ++taken === 2) break
    }
  }

  /** Every other handler fails. */
  readonly #handle = async (message: Message): Promise<void> => {
    this.take(message)
    await null
    if (message.deliveryTag % 2 === 0) throw new Error('a handler fails')
  }
}

function* messages(count: number, routingKey: string): Iterable<PublishManyMessage> {
  for (let index = 0; index < count; index++) yield { exchange: '', routingKey, body: `load ${index}` }
}
