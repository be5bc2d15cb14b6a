/**
 * Owns the load on a cluster: a client on each node, each with a producer, a consumer, requests and replies, on quorum queues
 * that all of them share. It says whether everybody is served again, and what was lost. Knows nothing of what is broken.
 */
import { expect } from '@jest/globals'
import { type Client, type ClientOptions, type Consumer, NackedError } from '../../../src/index.js'
import type { PrivateNode } from '../broker/broker.js'
import { open } from '../broker/client.js'
import { consumersOf, QUORUM, readyIn } from '../broker/consuming.js'
import { eventually } from '../outcome.js'
import { Requester, Responder } from './requests.js'
import { type Gap, measured, Producer, Taker } from './traffic.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 50, maxDelay: 1000 }
/** Milliseconds between two publishes of one producer. */
const PAUSE = 5
/** More than one producer publishes. */
const NUMBERS = 10_000_000

/**
 * Whose replies count. A queue with a name of its own may be held by the node that is down: RabbitMQ 4.3 keeps what it knows
 * of an exclusive queue until that node is back, unless the queue was deleted before it went.
 */
export type Replies = 'all' | 'server-named'

class Member {
  readonly troubles: unknown[] = []

  private constructor(
    readonly client: Client,
    readonly producer: Producer,
    readonly consumer: Consumer,
    readonly taker: Taker,
    readonly responder: Responder,
    readonly requesters: readonly Requester[],
  ) {
    client.on('topologyError', (...trouble) => this.troubles.push(trouble))
  }

  static async start(client: Client, work: string, requests: string, index: number): Promise<Member> {
    const declare = { arguments: QUORUM.declare }
    await client.queueDeclare(work, declare)
    await client.queueDeclare(requests, declare)
    const consumer = client.basicConsume(work, { prefetchCount: 50 })
    await consumer.ready
    return new Member(
      client,
      new Producer(client, work, PAUSE, index * NUMBERS),
      consumer,
      new Taker(consumer),
      new Responder(client, requests),
      [
        await Requester.start(client, requests),
        await Requester.start(client, requests, `${requests}.${index}`),
      ],
    )
  }

  /** Resolves when it has got confirms, deliveries and replies, each of them several times from now on. */
  async served(replies: Replies, milliseconds: number): Promise<void> {
    const { taker } = this
    const requesters = this.requesters.filter(({ serverNamed }) => serverNamed || replies === 'all')
    const taken = taker.seen.size
    const goals = requesters.map(({ answered }) => answered + 5)
    await Promise.all([
      this.producer.more(100, milliseconds),
      eventually(() => taker.seen.size >= taken + 20, milliseconds),
      eventually(() => requesters.every(({ answered }, at) => answered >= (goals[at] ?? 0)), milliseconds),
    ])
  }

  gaps(): Record<string, readonly Gap[]> {
    return {
      confirm: [this.producer.gap],
      delivery: [this.taker.gap],
      reply: this.requesters.map(({ gap }) => gap),
    }
  }

  get failures(): readonly unknown[] {
    const { producer, responder, requesters } = this
    return [producer, responder, ...requesters].flatMap(({ failures }) => failures)
  }

  async stopAsking(): Promise<void> {
    await Promise.all([this.producer.stop(), ...this.requesters.map(requester => requester.stop())])
  }

  async stopTaking(): Promise<void> {
    await Promise.all([this.consumer.cancel(), this.responder.stop()])
    await this.taker.ended
  }
}

export class Fleet {
  private constructor(
    readonly members: readonly Member[],
    readonly work: string,
    readonly requests: string,
  ) {}

  /** The queues have their leaders on the first node, where the first client is. */
  static async start(
    nodes: readonly PrivateNode[],
    name: string,
    options: ClientOptions = {},
  ): Promise<Fleet> {
    const [work, requests] = [`${name}.work`, `${name}.requests`]
    const members: Member[] = []
    for (const index of nodes.keys()) {
      const client = await openAt(nodes, index, options)
      members.push(await Member.start(client, work, requests, index))
    }
    const fleet = new Fleet(members, work, requests)
    await fleet.served()
    return fleet
  }

  /** Resolves when everybody is served, or those at these nodes. */
  async served(members = this.members, replies: Replies = 'all', milliseconds = 2 * MINUTE): Promise<void> {
    await Promise.all(members.map(member => member.served(replies, milliseconds)))
  }

  /** From here on gaps count. */
  mark(): void {
    for (const member of this.members) {
      for (const gap of Object.values(member.gaps()).flat()) gap.mark()
    }
  }

  /** The longest gaps since the mark, one for each member; to be called when all are served. */
  report(what: string): void {
    const figures: Record<string, string> = {}
    for (const kind of ['confirm', 'delivery', 'reply']) {
      const longest = this.members.map(member =>
        Math.round(Math.max(...(member.gaps()[kind] ?? []).map(gap => gap.longest))),
      )
      figures[`without a ${kind}, ms`] = longest.join(' / ')
    }
    measured(`${what}, longest time by client`, figures)
  }

  /** Stops it, and sees to it that nothing was lost and everybody is back. */
  async finish(): Promise<void> {
    const { members, work, requests } = this
    const [first] = members
    if (first === undefined) return
    const { client } = first
    for (const queue of [work, requests]) {
      await eventually(async () => (await consumersOf(client, queue)) === members.length, 2 * MINUTE)
    }
    expect(members.map(member => member.client.isHealthy)).toEqual(members.map(() => true))
    await Promise.all(members.map(member => member.stopAsking()))
    await eventually(() => this.#lost().length === 0, MINUTE)
    for (const queue of [work, requests]) {
      await eventually(async () => (await readyIn(client, queue)) === 0)
    }
    await Promise.all(members.map(member => member.stopTaking()))
    this.#tell()
    this.#judge()
    await client.queueDelete(work)
    await client.queueDelete(requests)
  }

  /** What was confirmed, and has come to nobody. */
  #lost(): number[] {
    return this.members.flatMap(({ producer }) =>
      [...producer.confirmed].filter(number => this.members.every(({ taker }) => !taker.seen.has(number))),
    )
  }

  #tell(): void {
    const { members } = this
    const sum = (of: (member: Member) => number): number =>
      members.reduce((total, member) => total + of(member), 0)
    measured('all in all', {
      published: sum(({ producer }) => producer.published),
      confirmed: sum(({ producer }) => producer.confirmed.size),
      refused: sum(({ failures }) => failures.length),
      lost: this.#lost().length,
      duplicates: sum(({ taker }) => taker.duplicates),
      answered: sum(({ requesters }) => requesters.reduce((total, { answered }) => total + answered, 0)),
      'asked again': sum(({ requesters }) => requesters.reduce((total, { repeated }) => total + repeated, 0)),
      reconnects: sum(({ client }) => client.metrics().reconnects),
    })
  }

  #judge(): void {
    for (const { producer, responder, requesters, troubles, failures } of this.members) {
      expect(
        [troubles, responder.troubles, ...requesters.map(requester => requester.troubles)].flat(),
      ).toEqual([])
      // What RabbitMQ cannot give to a leader in time, it may refuse (basic.nack): that is said, and nothing else is.
      for (const failure of failures) expect(failure).toBeInstanceOf(NackedError)
      expect(producer.confirmed.size + producer.failures.length).toBe(producer.published)
    }
  }
}

/** A client on the node with that index. If it loses it, the others come first. */
async function openAt(nodes: readonly PrivateNode[], index: number, options: ClientOptions): Promise<Client> {
  const inOrder = nodes.map((_, at) => nodes[(index + at) % nodes.length]?.url ?? '')
  const [home = '', ...others] = inOrder
  let connected = false
  const urls = (): string[] => (connected ? [...others, home] : [home, ...others])
  const client = await open({ recovery: RECOVERY, hostOrder: 'fixed', ...options }, urls)
  connected = true
  return client
}
