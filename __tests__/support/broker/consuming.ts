/**
 * Owns what tests of consumers share: filling queues, taking messages one by one, the broker's own figures. Knows
 * nothing of what is tested.
 */
import type { Client, Consumer, Message, Table } from '../../../src/index.js'
import { eventually } from '../outcome.js'

/** A kind of queue: how to declare one, and how to consume from it from its beginning. */
export interface QueueKind {
  readonly kind: string
  readonly declare: Table
  readonly consume: Table
}

export const CLASSIC: QueueKind = { kind: 'classic', declare: { 'x-queue-type': 'classic' }, consume: {} }
export const QUORUM: QueueKind = { kind: 'quorum', declare: { 'x-queue-type': 'quorum' }, consume: {} }
export const STREAM: QueueKind = {
  kind: 'stream',
  declare: { 'x-queue-type': 'stream' },
  consume: { 'x-stream-offset': 'first' },
}
export const QUEUE_KINDS: readonly QueueKind[] = [CLASSIC, QUORUM, STREAM]

/** `0`, `1`, `2`, ... */
export const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index))

/** Publishes numbered messages, and waits for their confirms. */
export async function fill(client: Client, queue: string, count: number, from = 0): Promise<void> {
  await Promise.all(numbers(count, from).map(text => client.basicPublish('', queue, text)))
}

/** How many messages are ready in a queue: neither handed to a consumer nor gone. */
export async function readyIn(client: Client, queue: string): Promise<number> {
  return (await client.queueDeclare(queue, { passive: true })).messageCount
}

export async function consumersOf(client: Client, queue: string): Promise<number> {
  return (await client.queueDeclare(queue, { passive: true })).consumerCount
}

/** Waits until so many messages are ready in a queue. */
export function untilReady(client: Client, queue: string, count: number): Promise<void> {
  return eventually(async () => (await readyIn(client, queue)) === count)
}

/** Takes so many messages, settled or not as `each` likes; the iterator stays open. */
export async function take(
  messages: AsyncIterator<Message, undefined>,
  count: number,
  each: (message: Message) => unknown = () => undefined,
): Promise<Message[]> {
  const taken: Message[] = []
  while (taken.length < count) {
    const { value } = await messages.next()
    if (value === undefined) throw new Error(`the iterator ended after ${taken.length} messages`)
    taken.push(value)
    await each(value)
  }
  return taken
}

export const iterate = (consumer: Consumer): AsyncIterator<Message, undefined> =>
  consumer[Symbol.asyncIterator]()

export const textsOf = (messages: readonly Message[]): string[] => messages.map(message => message.text())

export const ack = (message: Message): boolean => message.ack()

/**
 * How often a quorum queue has got a message back. RabbitMQ 4.3 counts that in a header of its own, and in the older one
 * only what it takes for a failed delivery, which a nack is not.
 */
export const timesReturned = ({ headers }: Message): unknown =>
  headers['x-acquired-count'] ?? headers['x-delivery-count']

/** Whether a promise is pending still, after whatever the broker had to say so far has come. */
export async function isPending(promise: Promise<unknown>, client: Client): Promise<boolean> {
  let pending = true
  const settled = (): void => {
    pending = false
  }
  promise.then(settled, settled)
  for (let roundTrip = 0; roundTrip < 3; roundTrip++)
    await client.exchangeDeclare('amq.direct', { passive: true })
  return pending
}
