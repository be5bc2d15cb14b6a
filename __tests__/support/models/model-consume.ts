/** Owns random steps that consume for a while, in every way to end that. Knows nothing of how steps are run. */
import { expect } from '@jest/globals'
import fc from 'fast-check'
import { type Consumer, ConsumerCancelledError, type Message } from '../../../src/index.js'
import { actor, queueName, rarely } from './model-arbitraries.js'
import { type Actor, type Held, type ModelBroker, type ModelMessage, PRECONDITION } from './model-broker.js'
import { observe, predicted, type Step, type World } from './model-run.js'

interface Plan {
  readonly by: Actor
  readonly name: string
  readonly prefetchCount: number | undefined
  /** Changed before the first message is read. */
  readonly qos: number | undefined
  readonly noAck: boolean
  readonly exclusive: boolean
  readonly most: number
  readonly how: readonly ('ack' | 'drop' | 'keep')[]
  readonly end: 'break' | 'throw' | 'cancel' | 'abort' | 'delete'
}

const window = fc.constantFrom(undefined, 0, 1, 2, 5)

const plan: fc.Arbitrary<Plan> = fc.record({
  by: actor,
  name: queueName,
  prefetchCount: window,
  qos: fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: window, weight: 1 }),
  noAck: rarely,
  exclusive: rarely,
  most: fc.nat(5),
  how: fc.array(fc.constantFrom('ack' as const, 'ack' as const, 'drop' as const, 'keep' as const), {
    minLength: 5,
    maxLength: 5,
  }),
  end: fc.constantFrom('break', 'throw', 'cancel', 'abort', 'delete'),
})

/** What the loop is to see, and under which number each message is kept. */
interface Expected {
  readonly messages: { text: string; redelivered: unknown }[]
  readonly kept: Map<number, number>
}

/** Takes what the loop will take, as far as prefetch lets it. */
function consumeModel(
  model: ModelBroker,
  { by, name, prefetchCount, qos, noAck, most, how, end }: Plan,
): Expected {
  const queue = model.queue(by, name)
  const window = (qos ?? prefetchCount) || Number.POSITIVE_INFINITY
  const messages: Expected['messages'] = []
  const kept: Expected['kept'] = new Map()
  // After a delete the loop goes on to the end of the buffer, which a lowered window must not keep it from.
  const mayKeep = !noAck && !(end === 'delete' && qos !== undefined)
  while (messages.length < most && (noAck || kept.size < window)) {
    const message = queue.messages.shift()
    if (message === undefined) break
    const held: Held = { message, queue, lane: undefined, state: 'open' }
    const at = messages.length
    messages.push({ text: message.text, redelivered: message.redelivered ?? expect.any(Boolean) })
    if (mayKeep && how[at] === 'keep') kept.set(at, model.keep(held))
  }
  for (const message of queue.messages) maybeRedelivered(message)
  if (end === 'delete') {
    model.queueDelete(by, name, false)
    // The broker has cancelled the consumer: what it had cannot be settled any more.
    for (const id of kept.values()) {
      const held = model.kept.get(id)
      if (held !== undefined) held.state = 'stale'
    }
  }
  return { messages, kept }
}

/** The consumer may have had it in its buffer. */
function maybeRedelivered(message: ModelMessage): void {
  if (message.redelivered === false) message.redelivered = undefined
}

const REASON = Object.assign(new Error('enough'), { name: 'Enough' })

/** Reads what the model expects, not more: the next message would never come. Returns how the loop ended. */
async function loop(
  world: World,
  consumer: Consumer,
  { by, name, how, end, noAck }: Plan,
  { messages, kept }: Expected,
  abort: () => void,
  seen: unknown[],
): Promise<void> {
  const finish = async (): Promise<void> => {
    if (end === 'cancel') await world.clients[by].basicCancel(consumer)
    if (end === 'abort') abort()
    if (end === 'delete') await world.clients[by].queueDelete(world.full(name))
    if (end === 'throw') throw REASON
  }
  if (messages.length === 0) {
    if (end === 'break' || end === 'throw') await consumer[Symbol.asyncIterator]().return?.()
    await finish()
    if (end === 'break' || end === 'cancel') return
  }
  let surplus = messages.length === 0
  for await (const message of consumer) {
    // After the queue is gone, what was in the buffer still comes.
    if (surplus) {
      if (!noAck) message.ack()
      continue
    }
    await take(world, message, how, kept, noAck, seen)
    if (seen.length < messages.length) continue
    surplus = true
    if (end === 'break') break
    await finish()
  }
}

async function take(
  world: World,
  message: Message,
  how: Plan['how'],
  kept: Expected['kept'],
  noAck: boolean,
  seen: unknown[],
): Promise<void> {
  const id = kept.get(seen.length)
  const way = how[seen.length]
  seen.push({ text: message.text(), redelivered: message.redelivered })
  if (noAck) return
  if (id !== undefined) world.kept.set(id, message)
  else if (way === 'drop') expect(message.nack({ requeue: false })).toBe(true)
  else expect(message.ack()).toBe(true)
}

/** How the loop ends, as seen from outside. */
function endOf({ end }: Plan): unknown {
  if (end === 'throw' || end === 'abort') return { error: REASON.name, operation: undefined }
  if (end === 'delete') return { error: ConsumerCancelledError.name, operation: 'basicConsume' }
  return { value: undefined }
}

export const consume: fc.Arbitrary<Step> = plan.map(it => ({
  title: `basicConsume(${JSON.stringify(it)})`,
  touches: [it.name, 'bindings'],
  predict: model => {
    let expected: Expected = { messages: [], kept: new Map() }
    const outcome = predicted('basicConsume', () => {
      expected = consumeModel(model, it)
      return {
        messages: expected.messages,
        inUse: { error: PRECONDITION, operation: 'queueDelete' },
        end: endOf(it),
      }
    })
    return {
      expected: [outcome],
      run: async world => {
        const client = world.clients[it.by]
        const aborting = new AbortController()
        const { prefetchCount, noAck, exclusive } = it
        const options = {
          noAck,
          exclusive,
          signal: aborting.signal,
          ...(prefetchCount === undefined ? {} : { prefetchCount }),
        }
        const consumer = client.basicConsume(world.full(it.name), options)
        await consumer.ready
        if (it.qos !== undefined) await client.basicQos(consumer, it.qos)
        const inUse = await observe(world, client.queueDelete(world.full(it.name), { ifUnused: true }))
        const messages: unknown[] = []
        const abort = (): void => aborting.abort(REASON)
        const end = await observe(world, loop(world, consumer, it, expected, abort, messages))
        return { messages, inUse, end }
      },
    }
  },
}))
