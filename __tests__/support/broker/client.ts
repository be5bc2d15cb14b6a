/**
 * Owns clients for integration tests that close by themselves, and names that no other test uses, removed afterwards.
 * Knows nothing of what is tested.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, expect } from '@jest/globals'
import {
  Client,
  type ClientOptions,
  type ExchangeDeclareOptions,
  type Message,
  type QueueDeclareOptions,
  ResourceLockedError,
  type UrlSource,
} from '../../../src/index.js'
import { eventually } from '../outcome.js'
import { brokerUrl } from './broker.js'

const clients: Client[] = []
const names: string[] = []

/** It lives as long as the file: connecting anew after each test takes longer than what it does. */
let janitor: Client | undefined

afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.close()))
  if (names.length === 0) return
  const cleaner = await openJanitor()
  const used = names.splice(0)
  await Promise.all(used.map(name => deleteQueue(cleaner, name)))
  // One by one: RabbitMQ 3.10 crashes (541) where both ends of a binding are deleted at once.
  for (const name of used) await cleaner.exchangeDelete(name)
})

afterAll(() => janitor?.close())

/** An exclusive queue goes with its connection, but a little later: it is locked until then. */
function deleteQueue(cleaner: Client, name: string): Promise<void> {
  return eventually(() =>
    cleaner.queueDelete(name).then(
      () => true,
      error => {
        if (error instanceof ResourceLockedError) return false
        throw error
      },
    ),
  )
}

async function openJanitor(): Promise<Client> {
  janitor ??= new Client(brokerUrl())
  await janitor.connect()
  return janitor
}

/** A client that is not connected yet; it is closed after the test. A lost connection is its end, unless asked for. */
export function newClient(options: ClientOptions = {}, url: UrlSource = brokerUrl()): Client {
  const client = new Client(url, { recovery: false, ...options })
  clients.push(client)
  return client
}

/** A connected client; it is closed after the test. */
export async function open(options?: ClientOptions, url?: UrlSource): Promise<Client> {
  const client = newClient(options, url)
  await client.connect()
  return client
}

/** A name for a queue or an exchange of the shared broker, which is deleted after the test. */
export function uniqueName(): string {
  const name = `puka-test-${randomBytes(6).toString('hex')}`
  names.push(name)
  return name
}

/** Declares a queue under a name of its own. */
export async function newQueue(client: Client, options?: QueueDeclareOptions): Promise<string> {
  return (await client.queueDeclare(uniqueName(), options)).queue
}

/** Declares an exchange under a name of its own. */
export async function newExchange(client: Client, options?: ExchangeDeclareOptions): Promise<string> {
  const name = uniqueName()
  await client.exchangeDeclare(name, options)
  return name
}

/** Takes the one message that a queue is to hold, or fails. */
export async function getOne(client: Client, queue: string): Promise<Message> {
  const message = await client.basicGet(queue, { noAck: true })
  expect(message).not.toBeNull()
  return message as Message
}

/** Takes everything out of a queue, in order. */
export async function getTexts(client: Client, queue: string): Promise<string[]> {
  const { messageCount } = await client.queueDeclare(queue, { passive: true })
  const texts: string[] = []
  if (messageCount === 0) return texts
  for await (const message of client.basicConsume(queue, { noAck: true })) {
    texts.push(message.text())
    if (texts.length === messageCount) break
  }
  return texts
}
