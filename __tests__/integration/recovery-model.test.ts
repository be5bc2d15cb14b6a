/**
 * Covers random interleavings of facade calls, failing ones among them, with faults of the connection: every promise
 * settles, what was confirmed is there, no ack crosses lives, and the topology at the end is what a model says.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Client, Consumer, Message } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { numbers } from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured } from '../support/faults/traffic.js'
import { namesOf, tally } from '../support/outcome.js'
import { EXCHANGES, QUEUES, type Step, step } from './recovery-steps.js'
import { TopologyModel, type TopologyStep } from './topology-model.js'

/** A run waits more than it works: so many go on at once, each with a client and names of its own. */
const LANES = 8
const RUNS_OF_A_LANE = 5
/** Milliseconds: no run begins later than this, and the whole takes little more. */
const BUDGET = 45_000
const RECOVERY = { initialDelay: 5, maxDelay: 50 }
/** One run: a client behind a weak link, and what it was asked for. */
class Run {
  readonly model = new TopologyModel()
  readonly names = Array.from({ length: QUEUES + EXCHANGES }, uniqueName)
  /** What was asked for, and what should come of it. */
  readonly #promises: Promise<unknown>[] = []
  readonly #expected: string[] = []
  readonly #confirmed = new Set<string>()
  readonly #received = new Set<string>()
  readonly #held: Message[] = []
  readonly #losses: Error[] = []
  readonly #troubles: unknown[] = []
  #lastTopology: Promise<unknown> = Promise.resolve()
  #published = 0
  #consuming: Promise<void> = Promise.resolve()

  constructor(
    readonly client: Client,
    readonly link: TcpProxy,
    readonly inbox: string,
    readonly spare: string,
    /** An exclusive queue, which goes with each connection, or is held by a dead one. */
    readonly own: string,
    readonly consumer: Consumer,
  ) {
    client.on('disconnect', error => this.#losses.push(error))
    client.on('topologyError', (...trouble) => this.#troubles.push(trouble))
    this.#consuming = this.#consume()
  }

  get faults(): number {
    return this.#losses.length
  }

  async take(step: Step): Promise<void> {
    const { client } = this
    switch (step.kind) {
      case 'topology': {
        // One after the other: nobody could say what comes of two at once.
        this.#lastTopology = this.#lastTopology.then(async () => {
          const expected = this.model.apply(step.step)
          const [outcome] = await namesOf([this.#do(step.step)])
          expect({ ...step.step, outcome }).toEqual({ ...step.step, outcome: expected })
        })
        this.#await(this.#lastTopology, 'ok')
        break
      }
      case 'publish': {
        const text = String(this.#published++)
        const { confirm } = step
        const published = client.basicPublish('', this.inbox, text, { confirm })
        this.#await(confirm ? published.then(() => this.#confirmed.add(text)) : published, 'ok')
        break
      }
      case 'publishNowhere':
        this.#await(client.basicPublish('no such exchange', '', 'x'), 'NotFoundError')
        break
      case 'publishOwn':
        this.#await(client.basicPublish('', this.own, 'x'), 'ok')
        break
      case 'updateSecret':
        this.#await(client.updateSecret(new URL(brokerUrl()).password || 'guest'), 'ok')
        break
      case 'get':
        this.#await(
          client.basicGet(this.spare).then(message => message?.ack()),
          'ok',
        )
        break
      case 'askForNothing':
        this.#await(client.queueDeclare('no such queue', { passive: true }), 'NotFoundError')
        break
      case 'qos':
        this.#await(this.consumer.qos(5 + (this.#published % 20)), 'ok')
        break
      case 'ackHeld':
        for (const message of this.#held.splice(0)) message.ack()
        break
      case 'fault':
        if (step.fault === 'stall') this.link.stall()
        else this.link.cut(step.fault)
        break
      case 'lossSoonAfterOpen':
        this.link.cut('reset')
        await delay(step.milliseconds)
        this.link.cut('reset')
        break
      case 'pause':
        await delay(step.milliseconds)
    }
  }

  /** Waits for all of it, and compares. */
  async finish(): Promise<void> {
    const { client } = this
    expect(await namesOf(this.#promises)).toEqual(this.#expected)
    for (const message of this.#held.splice(0)) message.ack()
    // Everything that was confirmed comes, in this life of the consumer or in another.
    const last = 'last'
    await client.basicPublish('', this.inbox, last)
    this.#confirmed.add(last)
    while ([...this.#confirmed].some(text => !this.#received.has(text))) {
      for (const message of this.#held.splice(0)) message.ack()
      await delay(5)
    }
    await this.consumer.cancel()
    await this.#consuming
    for (const message of this.#held.splice(0)) message.ack()
    expect(this.#troubles).toEqual([])
    // A broker that was told of a delivery that it does not know would have closed the channel (406).
    for (const loss of this.#losses)
      expect(loss.message).not.toMatch(/PRECONDITION|unknown delivery tag|\(5\d\d\)/)
    await this.#compare()
    await this.#loseAndFillOwn()
    await client.drain()
  }

  /** What is confirmed while its queue is on the way back is in it. */
  async #loseAndFillOwn(): Promise<void> {
    const { client, link, own } = this
    link.cut('reset')
    await Promise.all(numbers(10).map(text => client.basicPublish('', own, text)))
    const texts = await getTexts(client, own)
    expect(texts.filter(text => text !== 'x')).toEqual(numbers(10))
  }

  #await(promise: Promise<unknown>, expected: string): void {
    promise.catch(() => undefined)
    this.#promises.push(promise)
    this.#expected.push(expected)
  }

  async #consume(): Promise<void> {
    for await (const message of this.consumer) {
      this.#received.add(message.text())
      // Some are acked late, maybe in another life.
      if (message.deliveryTag % 3 === 0) this.#held.push(message)
      else message.ack()
    }
  }

  #do(step: TopologyStep): Promise<unknown> {
    const { client } = this
    switch (step.kind) {
      case 'declareQueue':
        return client.queueDeclare(this.#queue(step.queue), {
          arguments: step.limited ? { 'x-max-length': 1000 } : {},
        })
      case 'deleteQueue':
        return client.queueDelete(this.#queue(step.queue))
      case 'declareExchange':
        return client.exchangeDeclare(this.#exchange(step.exchange), { type: step.type })
      case 'deleteExchange':
        return client.exchangeDelete(this.#exchange(step.exchange))
      case 'bind':
        return client.queueBind(this.#queue(step.queue), this.#exchange(step.exchange), `k${step.key}`)
      case 'unbind':
        return client.queueUnbind(this.#queue(step.queue), this.#exchange(step.exchange), `k${step.key}`)
    }
  }

  /** Whoever looks at the broker from outside finds what the model says. */
  async #compare(): Promise<void> {
    const other = await open()
    const passive = { passive: true }
    const queues = Array.from({ length: QUEUES }, (_, index) => index)
    const exchanges = Array.from({ length: EXCHANGES }, (_, index) => index)
    expect(await namesOf(queues.map(index => other.queueDeclare(this.#queue(index), passive)))).toEqual(
      queues.map(index => (this.model.queues.has(index) ? 'ok' : 'NotFoundError')),
    )
    expect(
      await namesOf(exchanges.map(index => other.exchangeDeclare(this.#exchange(index), passive))),
    ).toEqual(exchanges.map(index => (this.model.exchanges.has(index) ? 'ok' : 'NotFoundError')))
    for (const [index, type] of this.model.exchanges) {
      for (const key of [0, 1]) {
        await other.basicPublish(this.#exchange(index), `k${key}`, `${index} ${key}`)
        for (const name of this.model.queues.keys()) {
          const bound = this.model.bindings.filter(
            ({ queue, exchange }) => queue === name && exchange === index,
          )
          const reached = type === 'fanout' ? bound.length > 0 : bound.some(binding => binding.key === key)
          expect(await getTexts(other, this.#queue(name))).toEqual(reached ? [`${index} ${key}`] : [])
        }
      }
    }
    await other.close()
  }

  #queue(index: number): string {
    return this.names[index] ?? ''
  }

  #exchange(index: number): string {
    return this.names[QUEUES + index] ?? ''
  }
}

async function start(): Promise<Run> {
  const link = await TcpProxy.start(brokerUrl())
  const client = await open({ recovery: RECOVERY, heartbeat: 1 }, link.url)
  const inbox = await newQueue(client)
  const spare = await newQueue(client)
  // What goes with the connection, or with its consumer, is there again each time.
  const passing = await newExchange(client, { type: 'fanout', autoDelete: true })
  const autoDelete = await newQueue(client, { autoDelete: true })
  await client.queueBind(autoDelete, passing)
  const consumer = client.basicConsumeMulti([inbox, autoDelete], { prefetchCount: 10 })
  const own = await newQueue(client, { exclusive: true })
  return new Run(client, link, inbox, spare, own, consumer)
}

test(
  'whatever is asked for, and whenever the connection breaks: all is settled, kept, and as a model says',
  async () => {
    const began = performance.now()
    const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31)
    const figures = { runs: 0, steps: 0, losses: 0 }
    const kinds: string[] = []
    process.stdout.write(`  seed ${seed} (FC_SEED)\n`)
    const steps = fc.array(step, { minLength: 20, maxLength: 150, size: 'max' })
    const lane = (number: number): Promise<void> =>
      fc.assert(
        fc.asyncProperty(steps, async steps => {
          if (performance.now() - began > BUDGET) return
          const run = await start()
          for (const step of steps) {
            await run.take(step)
            kinds.push(step.kind)
          }
          await run.finish()
          await run.link.close()
          figures.runs++
          figures.steps += steps.length
          figures.losses += run.faults
        }),
        { seed: seed + number, numRuns: RUNS_OF_A_LANE, endOnFailure: true },
      )
    // All come to their end before the first failure is told: nothing runs on behind the test.
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, (_, number) => lane(number)))
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
    measured('model', { ...figures, kinds: tally(kinds), ms: performance.now() - began })
    expect(figures.losses).toBeGreaterThan(0)
  },
  4 * BUDGET,
)
