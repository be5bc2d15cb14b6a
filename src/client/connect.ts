/** Owns `connect`: a client, made and connected in one step. */
import type { ClientOptions, UrlSource } from '../client-options.js'
import { Client } from './client.js'

/**
 * Connects to RabbitMQ.
 *
 * @param url - where to connect; see {@link Client}
 * @returns a client that is connected
 * @throws as {@link Client} and {@link Client.connect}
 *
 * @example
 * ```ts
 * import { connect } from 'puka-amqp'
 *
 * await using client = await connect('amqp://localhost')
 * await client.queueDeclare('tasks')
 * await client.basicPublish('', 'tasks', 'hello')
 * for await (const message of client.basicConsume('tasks', { prefetchCount: 100 })) {
 *   console.log(message.text())
 *   message.ack()
 * }
 * ```
 */
export async function connect(url?: UrlSource, options?: ClientOptions): Promise<Client> {
  const client = new Client(url, options)
  try {
    await client.connect()
  } catch (error) {
    await client.close()
    throw error
  }
  return client
}
