/** Covers that the error of every method names the method, and shows the line that called it. */
import { describe, expect, test } from '@jest/globals'
import { AmqpError, type Client, connect, type Message } from '../../src/index.js'
import { ignore } from '../../src/util/promise.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import { errorOf } from '../support/outcome.js'

const NONE = 'no-such-queue'
const THIS_FILE = /call-site\.test\.ts:\d+/

type Call = (client: Client, queue: string) => Promise<unknown>

const failing: [operation: string, call: Call][] = [
  ['Client', () => connect('http://localhost')],
  ['Client', () => connect(brokerUrl(), { heartbeat: -1 })],
  ['connect', () => connect('amqp://127.0.0.1:1', { recovery: false })],
  ['connect', () => connect(brokerUrl().replace('//', '//guest:wrong@'), { recovery: false })],
  ['exchangeDeclare', client => client.exchangeDeclare('amq.mine')],
  ['exchangeDelete', client => client.exchangeDelete('amq.direct')],
  ['exchangeBind', client => client.exchangeBind('amq.direct', 'no-such-exchange')],
  ['exchangeUnbind', client => client.exchangeUnbind('amq.direct', 5 as unknown as string)],
  ['queueDeclare', client => client.queueDeclare(NONE, { passive: true })],
  ['queueDeclare', (client, queue) => client.queueDeclare(queue, { autoDelete: true })],
  ['queueDelete', (client, queue) => client.queueDelete(queue, { timeout: 0 })],
  ['queuePurge', client => client.queuePurge(NONE)],
  ['queueBind', client => client.queueBind(NONE, 'amq.direct')],
  ['queueUnbind', (client, queue) => client.queueUnbind(queue, 'amq.direct', 'k'.repeat(300))],
  ['basicGet', client => client.basicGet(NONE)],
  ['basicPublish', client => client.basicPublish('', 'q', 5 as unknown as string)],
  ['basicPublish', client => client.basicPublish('', 'q', 'body', { priority: 300 })],
  ['basicPublish', client => client.basicPublish('', 'q'.repeat(300), 'body')],
  ['publishMany', client => client.publishMany([{ exchange: 'none', routingKey: '', body: '' }])],
  ['publishMany', client => client.publishMany([], { window: 0 })],
  ['basicConsume', client => client.basicConsume(NONE).ready],
  ['basicConsume', client => client.basicConsume(NONE).forEach(ignore)],
  ['basicConsume', async client => client.basicConsume(NONE, { prefetchCount: -1 })],
  ['basicConsumeMulti', client => client.basicConsumeMulti([NONE]).ready],
  ['forEach', (client, queue) => client.basicConsume(queue).forEach(ignore, { concurrency: 0 })],
  ['basicQos', (client, queue) => client.basicQos(client.basicConsume(queue), -1)],
  ['basicCancel', client => client.basicCancel({} as never)],
  ['basicAck', async client => client.basicAck({} as Message)],
  ['updateSecret', client => client.updateSecret('s', 'r'.repeat(300))],
  ['drain', client => client.drain({ timeout: -1 })],
]

test.each(failing)('%s: %s', async (operation, call) => {
  const client = await open()
  const error = await errorOf(call(client, await newQueue(client)))
  expect(error).toBeInstanceOf(AmqpError)
  expect(error).toMatchObject({ operation })
  expect(error.message).toMatch(new RegExp(`^${operation}: `))
  expect(error.stack?.startsWith(`${error.name}: ${error.message}\n`)).toBe(true)
  expect(error.stack).toMatch(THIS_FILE)
})

test('drain that takes too long, and what a closed client is asked for', async () => {
  const client = await open()
  const queue = await newQueue(client)
  await client.basicPublish('', queue, 'never settled')
  const { value } = await client.basicConsume(queue)[Symbol.asyncIterator]().next()
  expect(value?.text()).toBe('never settled')
  const errors = [
    await errorOf(client.drain({ timeout: 1 })),
    await errorOf(client.queueDeclare(queue)),
    await errorOf(client.basicPublish('', queue, 'late')),
    await errorOf(client.connect()),
  ] as AmqpError[]
  expect(errors.map(({ operation }) => operation)).toEqual([
    'drain',
    'queueDeclare',
    'basicPublish',
    'connect',
  ])
  for (const { stack } of errors) expect(stack).toMatch(THIS_FILE)
})

describe('a message', () => {
  test.each(['ack', 'nack', 'reject'] as const)('%s of one that is settled', async method => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'once')
    const message = await client.basicGet(queue)
    message?.ack()
    const settle = (): unknown => message?.[method]()
    expect(settle).toThrow(expect.objectContaining({ operation: method, name: 'AlreadySettledError' }))
    expect(settle).toThrow(expect.objectContaining({ stack: expect.stringMatching(THIS_FILE) }))
  })
})

describe('a publish that the broker refuses', () => {
  const publish = (client: Client): Promise<Error> =>
    errorOf(client.basicPublish('no-such-exchange', 'k', 'body'))

  test('shows no line by default', async () => {
    const error = await publish(await open())
    expect(error).toMatchObject({ operation: 'basicPublish', name: 'NotFoundError' })
    expect(error.stack).not.toMatch(THIS_FILE)
  })

  test('shows the line that called it with captureStacks', async () => {
    const error = await publish(await open({ captureStacks: true }))
    expect(error).toMatchObject({ operation: 'basicPublish', name: 'NotFoundError' })
    expect(error.stack).toMatch(THIS_FILE)
  })
})
