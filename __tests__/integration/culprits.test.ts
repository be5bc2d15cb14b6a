/**
 * Covers publishes that bring their channel down: the guilty one alone hears of it, and no other is lost or reordered.
 */
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  type AmqpError,
  type Client,
  NotFoundError,
  PreconditionFailedError,
} from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

type Outcome = PromiseSettledResult<void>

/** Publishes a thousand to a queue, with others in between at the given places. */
function publishThousand(
  client: Client,
  queue: string,
  culprits: ReadonlyMap<number, () => Promise<void>>,
): Promise<Outcome[]> {
  return Promise.allSettled(
    Array.from({ length: 1000 }, (_, n) => culprits.get(n)?.() ?? client.basicPublish('', queue, `${n}`)),
  )
}

/** Every outcome must be right, and the queue must hold the innocent ones in their order. */
async function expectJustice(
  client: Client,
  queue: string,
  outcomes: readonly Outcome[],
  culprits: ReadonlyMap<number, unknown>,
  ErrorClass: new (message: string) => AmqpError,
): Promise<void> {
  for (const [n, outcome] of outcomes.entries()) {
    const expected = culprits.has(n) ? ErrorClass.name : 'ok'
    const actual = outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as Error).name
    expect(`${n}: ${actual}`).toBe(`${n}: ${expected}`)
  }
  const innocent = outcomes.flatMap((_, n) => (culprits.has(n) ? [] : [`${n}`]))
  const texts = await getTexts(client, queue)
  // At least once: one may come twice, but the first comings are in order, and complete.
  expect([...new Set(texts)]).toEqual(innocent)
}

describe('among a thousand publishes in flight', () => {
  test('one to an exchange that is missing fails alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const exchange = uniqueName()
    const culprits = new Map([[500, () => client.basicPublish(exchange, 'key', 'lost')]])
    const outcomes = await publishThousand(client, queue, culprits)
    await expectJustice(client, queue, outcomes, culprits, NotFoundError)
    const { reason } = outcomes[500] as PromiseRejectedResult
    expect(reason).toMatchObject({ code: 'NOT_FOUND', replyCode: 404, operation: 'basicPublish' })
    expect(reason.message).toContain(exchange)
  }, 30_000)

  test('several to exchanges that are missing, side by side and far apart, fail alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const [one, two] = [uniqueName(), uniqueName()]
    const culprits = new Map(
      [0, 1, 2, 300, 301, 600, 999].map((n, at) => [
        n,
        () => client.basicPublish(at % 2 === 0 ? one : two, 'key', 'lost'),
      ]),
    )
    const outcomes = await publishThousand(client, queue, culprits)
    await expectJustice(client, queue, outcomes, culprits, NotFoundError)
  }, 30_000)

  test('to an exchange that was there before, those after its end fail alone', async () => {
    const [client, other] = [await open(), await open()]
    const queue = await newQueue(client)
    const exchange = await newExchange(client, { type: 'fanout' })
    await client.basicPublish(exchange, '', 'known to exist')
    await other.exchangeDelete(exchange)
    const culprits = new Map(
      [100, 101, 700].map(n => [n, () => client.basicPublish(exchange, 'key', 'lost')]),
    )
    const outcomes = await publishThousand(client, queue, culprits)
    await expectJustice(client, queue, outcomes, culprits, NotFoundError)
    await client.exchangeDeclare(exchange, { type: 'fanout' })
    await client.queueBind(queue, exchange)
    await client.basicPublish(exchange, '', 'works again')
    expect(await getTexts(client, queue)).toEqual(['works again'])
  }, 30_000)

  test('to an exchange that the client itself has deleted, what is in flight before does not come twice', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const exchange = await newExchange(client)
    await client.basicPublish(exchange, '', 'known to exist')
    await client.exchangeDelete(exchange)
    const before = client.basicPublish('', queue, 'before')
    const error = await errorOf(client.basicPublish(exchange, '', 'lost'))
    expect(error).toBeInstanceOf(NotFoundError)
    await before
    await client.basicPublish('', queue, 'behind')
    expect(await getTexts(client, queue)).toEqual(['before', 'behind'])
  })

  test('to an exchange that the client deletes before it hears that the first one got there, a later one still fails', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const [client, other] = [await open({}, proxy.url), await open()]
    const queue = await newQueue(other)
    const exchange = await newExchange(other, { type: 'fanout' })
    await other.queueBind(queue, exchange)
    await client.basicPublish('', uniqueName(), 'opens the connection for publishing')
    const [, publishing] = proxy.connections
    publishing?.stall('down')
    const first = client.basicPublish(exchange, '', 'first', { confirm: false })
    await eventually(async () => (await other.queueDeclare(queue, { passive: true })).messageCount === 1)
    await client.exchangeDelete(exchange)
    publishing?.resume('down')
    await first
    const error = await errorOf(client.basicPublish(exchange, '', 'second', { confirm: false }))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(client.metrics().lost).toBe(0)
  })

  test('those with a userId that is not ours fail alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const lie = (): Promise<void> => client.basicPublish('', queue, 'lie', { userId: 'somebody' })
    const culprits = new Map([10, 11, 500, 998].map(n => [n, lie]))
    const outcomes = await publishThousand(client, queue, culprits)
    await expectJustice(client, queue, outcomes, culprits, PreconditionFailedError)
  }, 30_000)

  test('those with a userId that is not ours, to an exchange that takes ours, fail alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const [one, two] = ['guest', 'somebody'].map(
      userId => () => client.basicPublish('', queue, userId, { userId }),
    )
    if (one === undefined || two === undefined) throw new Error('two are given')
    await one()
    expect(await errorOf(two())).toBeInstanceOf(PreconditionFailedError)
    await one()
    expect(await getTexts(client, queue)).toEqual(['guest', 'guest'])
  })

  test('those to an internal exchange fail alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const exchange = await newExchange(client, { internal: true })
    const culprits = new Map([5, 6, 400].map(n => [n, () => client.basicPublish(exchange, 'key', 'refused')]))
    const outcomes = await publishThousand(client, queue, culprits)
    await expectJustice(client, queue, outcomes, culprits, AccessRefusedError)
  }, 30_000)
})

test('publishes that a topic permission forbids fail alone, also where the exchange takes others', async () => {
  const user = uniqueName()
  const admin = await open()
  const exchange = await newExchange(admin, { type: 'topic' })
  const queue = await newQueue(admin)
  await admin.queueBind(queue, exchange, '#')
  await ctl('add_user', user, 'secret')
  try {
    await ctl('set_permissions', user, '.*', '.*', '.*')
    await ctl('set_topic_permissions', user, exchange, '^open\\.', '.*')
    const client = await open({}, `amqp://${user}:secret@${new URL(brokerUrl()).host}`)
    await client.basicPublish(exchange, 'open.first', 'first')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, n) =>
        client.basicPublish(exchange, [50, 51, 200].includes(n) ? 'shut.x' : 'open.x', `${n}`),
      ),
    )
    const refused = outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : []))
    expect(refused).toEqual([50, 51, 200])
    for (const n of refused) {
      const { reason } = outcomes[n] as PromiseRejectedResult
      expect(reason).toBeInstanceOf(AccessRefusedError)
      expect(reason).toMatchObject({ replyCode: 403, operation: 'basicPublish' })
    }
    const texts = await getTexts(admin, queue)
    expect([...new Set(texts)]).toEqual([
      'first',
      ...Array.from({ length: 300 }, (_, n) => `${n}`).filter((_, n) => !refused.includes(n)),
    ])
  } finally {
    await ctl('delete_user', user)
  }
}, 120_000)
