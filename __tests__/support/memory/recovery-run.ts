/**
 * Owns one run of the model of recovery in memory: a client on a model broker, what it was asked for, and what came of it.
 * Knows nothing of what has to hold in the end.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from '../../../src/client/client.js'
import type { Consumer } from '../../../src/client/consumer.js'
import type { AmqpError } from '../../../src/errors.js'
import { ModelHosts } from './model-hosts.js'
import { EXCHANGES, QUEUES, type Step } from './recovery-commands.js'
import { bindingOf, exchangeName, Wishes } from './recovery-wishes.js'

/** A publish, and where it should arrive. */
export interface RunPublish {
  readonly id: string
  readonly exchange: number | undefined
  /** By each queue's number the names that the broker has given it, those to come, too. */
  readonly targets: readonly { readonly queue: number; readonly names: readonly string[] }[]
  outcome: string
  settled: number
}

export interface RunOperation {
  readonly step: Step
  outcome: string
  settled: number
}

export interface RunConsumer {
  readonly queue: number
  readonly consumer: Consumer
  readonly received: Set<string>
  loop: Promise<void>
}

export class RecoveryRun {
  readonly wishes = new Wishes()
  readonly world: ModelHosts
  readonly client: Client
  readonly publishes: RunPublish[] = []
  readonly operations: RunOperation[] = []
  readonly consumers: RunConsumer[] = []
  readonly told: string[] = []
  /** The parts that topologyError told of, with the reply code. */
  readonly lost = new Map<string, number | undefined>()
  /** The codes that parts were refused with. */
  readonly codes = new Set<number>()
  /** Those of them with which no method was named. */
  readonly unnamed = new Set<number>()
  #last: Promise<void> = Promise.resolve()

  constructor(separate: boolean, patience: number, slow: boolean) {
    this.world = new ModelHosts(separate ? 2 : 1)
    this.world.faults.isSlow = slow
    this.client = new Client('amqp://a', {
      transport: this.world.hosts.transport,
      hosts: ['b'],
      heartbeat: 0,
      publishConnection: separate ? 'separate' : 'shared',
      recovery: { initialDelay: 0, maxDelay: 5, patience },
    })
    const { client, told } = this
    client.on('disconnect', error => told.push(`disconnect ${error.message}`))
    client.on('recovered', () => told.push('recovered'))
    client.on('queueRenamed', (from, to) => this.wishes.renamed(from, to))
    client.on('topologyError', ({ kind, name }, { replyCode, code }) => {
      told.push(`${kind} ${name}: ${code}`)
      this.lost.set(`${kind} ${name}`, replyCode)
    })
  }

  /** Resolves when every call has its outcome. */
  async settled(): Promise<void> {
    await this.#last
    while ([...this.publishes, ...this.operations].some(({ outcome }) => outcome === '')) await delay(2)
  }

  async take(step: Step): Promise<void> {
    const { client, world } = this
    switch (step.do) {
      case 'publishToQueue':
        if (!this.wishes.isServerNamed(step.queue)) this.publish(undefined, step.queue, step.size)
        break
      case 'publishToExchange':
        this.publish(step.exchange, 0, step.size)
        break
      case 'secret':
        this.#watch(step, client.updateSecret(world.newSecret(), 'expired'))
        break
      case 'pause':
        await delay(step.milliseconds)
        break
      case 'consume':
      case 'cancel':
      case 'declareQueue':
      case 'deleteQueue':
      case 'declareExchange':
      case 'deleteExchange':
      case 'bind':
      case 'unbind':
        // One after the other: nobody could say what comes of two at once.
        this.#last = this.#last.then(() => this.#watch(step, this.#do(step)))
        break
      default:
        this.#fault(step)
    }
  }

  publish(exchange: number | undefined, queue: number, size: number): RunPublish {
    const { wishes } = this
    const id = String(this.publishes.length)
    const reached = exchange === undefined ? [queue] : wishes.reached(exchange)
    const targets = reached
      .filter(number => wishes.queues.has(number))
      .map(number => ({ queue: number, names: wishes.namesOf(number) }))
    const publish: RunPublish = { id, exchange, targets, outcome: '', settled: 0 }
    this.publishes.push(publish)
    const [to, key] = exchange === undefined ? ['', `q${queue}`] : [exchangeName(exchange), 'k']
    void this.#settle(publish, this.client.basicPublish(to, key, `${id} ${'x'.repeat(size)}`))
    return publish
  }

  #watch(step: Step, promise: Promise<unknown>): Promise<void> {
    const operation: RunOperation = { step, outcome: '', settled: 0 }
    this.operations.push(operation)
    return this.#settle(operation, promise)
  }

  #settle(record: { outcome: string; settled: number }, promise: Promise<unknown>): Promise<void> {
    return promise.then(
      () => {
        record.outcome = 'ok'
        record.settled++
      },
      (error: AmqpError) => {
        record.outcome = error.name
        record.settled++
      },
    )
  }

  async #do(step: Step): Promise<void> {
    const { client, wishes } = this
    switch (step.do) {
      case 'declareQueue': {
        const { queue } = step
        const kind = QUEUES[queue] ?? 'plain'
        const isServerNamed = wishes.isServerNamed(queue)
        if (isServerNamed && wishes.queues.has(queue)) return
        const { queue: name } = await client.queueDeclare(isServerNamed ? '' : `q${queue}`, {
          exclusive: kind === 'exclusive' || kind === 'namedExclusive',
          autoDelete: kind === 'autoDelete',
          arguments: kind === 'expires' ? { 'x-expires': 60 } : {},
        })
        wishes.queueDeclared(queue, name)
        this.lost.delete(`queue ${name}`)
        break
      }
      case 'deleteQueue':
        if (!wishes.queues.has(step.queue)) return
        await client.queueDelete(wishes.nameOf(step.queue))
        wishes.queueDeleted(step.queue)
        break
      case 'declareExchange': {
        const autoDelete = EXCHANGES[step.exchange] === 'autoDelete'
        await client.exchangeDeclare(exchangeName(step.exchange), { type: 'fanout', autoDelete })
        wishes.exchanges.add(step.exchange)
        this.lost.delete(`exchange ${exchangeName(step.exchange)}`)
        break
      }
      case 'deleteExchange':
        await client.exchangeDelete(exchangeName(step.exchange))
        wishes.exchangeDeleted(step.exchange)
        break
      case 'bind': {
        const name = wishes.nameOf(step.queue)
        await client.queueBind(name, exchangeName(step.exchange), 'k')
        wishes.bound(step.queue, step.exchange)
        break
      }
      case 'unbind': {
        const { source, key } = bindingOf('', step.exchange)
        if (!wishes.queues.has(step.queue)) return
        await client.queueUnbind(wishes.nameOf(step.queue), source, key)
        wishes.unbound(step.queue, step.exchange)
        break
      }
      case 'consume':
        this.#consume(step.queue)
        break
      case 'cancel':
        await this.#cancel(step.queue)
    }
  }

  #consume(queue: number): void {
    const isThere = this.consumers.some(one => one.queue === queue && one.consumer.state.name !== 'ended')
    if (isThere || !this.wishes.queues.has(queue)) return
    const consumer = this.client.basicConsume(this.wishes.nameOf(queue), { prefetchCount: 5 })
    const one: RunConsumer = { queue, consumer, received: new Set(), loop: Promise.resolve() }
    one.loop = this.#read(one)
    this.consumers.push(one)
  }

  async #read({ consumer, received, queue }: RunConsumer): Promise<void> {
    try {
      for await (const message of consumer) {
        received.add(message.text().split(' ')[0] ?? '')
        message.ack()
      }
    } catch (error) {
      this.told.push(`consumer of ${queue}: ${(error as Error).name}`)
    }
    // The broker drops it with its last consumer.
    if (QUEUES[queue] === 'autoDelete') this.wishes.uncertain.add(queue)
  }

  async #cancel(queue: number): Promise<void> {
    if (QUEUES[queue] === 'autoDelete') this.wishes.uncertain.add(queue)
    const running = this.consumers.filter(one => one.queue === queue)
    await Promise.all(running.map(({ consumer }) => consumer.cancel()))
  }

  #fault(step: Step): void {
    const { world } = this
    const { faults, broker } = world
    switch (step.do) {
      case 'break':
        world.breakAll()
        break
      case 'breakOne':
        world.breakOne()
        break
      case 'breakAfter':
        faults.breakAfter = step.milliseconds
        break
      case 'breakAt':
        faults.breakAt = step.methods
        break
      case 'hold':
        faults.hold = step.milliseconds
        break
      case 'refuse':
        this.codes.add(step.code)
        if (!step.names) this.unnamed.add(step.code)
        faults.refuse(this.#partOf(step.part), step.code, step.names, step.times)
        break
      case 'silence':
        faults.silence(this.#partOf(step.part), step.milliseconds, step.times)
        break
      case 'limits':
        faults.frameMax = step.frameMax
        faults.channelMax = step.channelMax
        break
      case 'block':
        world.block(step.on)
        break
      case 'othersDeleteQueue':
        broker.deleteQueue(this.wishes.nameOf(step.queue), 'others')
        break
      case 'othersDeleteExchange':
        broker.deleteExchange(exchangeName(step.exchange), 'others')
    }
  }

  #partOf(number: number): string {
    const exchange = number - QUEUES.length
    if (exchange >= 0) return `exchange ${exchangeName(exchange)}`
    return `queue ${this.wishes.isServerNamed(number) ? '' : `q${number}`}`
  }
}
