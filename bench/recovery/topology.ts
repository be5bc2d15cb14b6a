/** Owns what a client has declared when it loses its connection: queues, bindings, consumers. */
import type { Client } from 'puka-amqp'

/** Durable queues are there still when the client is back; exclusive ones went with the connection, and are made anew. */
export const KINDS = ['durable', 'exclusive'] as const
export type Kind = (typeof KINDS)[number]

export interface Size {
  readonly queues: number
  readonly bindings: number
  readonly consumers: number
}

const PREFIX = `puka-bench-recovery.${process.pid}`

const nothing = (): void => undefined
const nameOf = (index: number): string => `${PREFIX}.${index}`

export async function build(
  client: Client,
  kind: Kind,
  { queues, bindings, consumers }: Size,
): Promise<void> {
  await client.exchangeDeclare(PREFIX, { type: 'direct' })
  const indices = Array.from({ length: queues }, (_, index) => index)
  await Promise.all(
    indices.map(index => client.queueDeclare(nameOf(index), { exclusive: kind === 'exclusive' })),
  )
  await Promise.all(
    Array.from({ length: bindings }, (_, index) =>
      client.queueBind(nameOf(index % queues), PREFIX, `key-${index}`),
    ),
  )
  await Promise.all(
    indices.slice(0, consumers).map(index => {
      const consumer = client.basicConsume(nameOf(index), { prefetchCount: 10 })
      consumer.forEach(nothing).catch(nothing)
      return consumer.ready
    }),
  )
}

export async function remove(client: Client, { queues }: Size): Promise<void> {
  await Promise.all(Array.from({ length: queues }, (_, index) => client.queueDelete(nameOf(index))))
  await client.exchangeDelete(PREFIX)
}
