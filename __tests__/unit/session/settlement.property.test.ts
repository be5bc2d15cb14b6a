/** Covers the settling of deliveries, in whatever order, against a naive model of its user and of the broker. */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Metrics } from '../../../src/connection/metrics.js'
import { AlreadySettledError, CommandInvalidError } from '../../../src/errors.js'
import { type Settlement, UnackedDeliveries } from '../../../src/session/settlement.js'
import { BookOutbox } from './settling-broker.js'

type Fate = 'outstanding' | 'acked' | 'refused' | 'taken back'

/** What its user knows of each delivery, by its tag; and the real thing beside a broker, which have to agree with it. */
class Channel {
  readonly fates: Fate[] = []
  /** Acked, and taken back before that had left. */
  readonly ackedInVain = new Set<number>()
  stale = 0
  readonly outbox = new BookOutbox()
  readonly metrics = new Metrics()
  readonly unacked = new UnackedDeliveries(1, this.outbox, this.metrics)
  readonly broker = this.outbox.book

  tagsThatAre(fate: Fate, last = this.fates.length): number[] {
    return this.fates.flatMap((one, index) => (one === fate && index < last ? [index + 1] : []))
  }

  deliver(count: number): void {
    for (let delivered = 0; delivered < count; delivered++) {
      this.fates.push('outstanding')
      this.broker.unsettled.add(this.fates.length)
      this.unacked.add(this.fates.length)
    }
  }

  settle(tag: number, settlement: Settlement): void {
    const fate = this.fates[tag - 1]
    if (fate === 'outstanding') {
      const multiple = settlement.kind !== 'reject' && settlement.multiple
      const tags = multiple ? this.tagsThatAre('outstanding', tag) : [tag]
      this.#set(tags, settlement.kind === 'ack' ? 'acked' : 'refused')
      expect(this.unacked.settle(tag, settlement)).toBe(tags.length)
    } else if (fate === 'taken back') {
      this.stale++
      expect(this.unacked.settle(tag, settlement)).toBe(0)
    } else {
      expect(() => this.unacked.settle(tag, settlement)).toThrow(AlreadySettledError)
    }
  }

  autoAck(tag: number): void {
    this.#set(this.tagsThatAre('outstanding', tag), 'acked')
    this.unacked.autoAck(tag, false)
  }

  giveBack(tags: readonly number[]): void {
    const given = tags.filter((tag, at) => this.unacked.isOutstanding(tag) && tags.indexOf(tag) === at)
    this.#set(given, 'refused')
    const before = this.broker.frames.length
    const { count, frames } = this.unacked.giveBack(tags)
    expect(count).toBe(given.length)
    const nacks = this.broker.frames.slice(before).filter(([name]) => name === 'basic.nack')
    expect(frames).toBe(nacks.length)
    expect(frames).toBe(fewest(given, this.broker.lowestKept))
    // What was due before has left, too.
    this.agree()
  }

  takeBack(tags: readonly number[]): void {
    for (const tag of tags) {
      const due = this.fates[tag - 1] === 'acked' && this.broker.unsettled.has(tag)
      if (due) this.ackedInVain.add(tag)
    }
    this.broker.takeBack(tags)
    this.#set(
      tags.filter(tag => this.fates[tag - 1] === 'outstanding'),
      'taken back',
    )
    this.unacked.takeBack(tags)
  }

  tick(): void {
    const due = this.tagsThatAre('acked').filter(tag => this.broker.unsettled.has(tag))
    const before = this.broker.frames.length
    this.outbox.tick()
    // Automatic acks may leave apart from others.
    const frames = this.broker.frames.length - before
    expect(frames).toBeLessThanOrEqual(fewest(due, this.broker.lowestKept) + 1)
    this.agree()
  }

  /** The broker has what its user said. */
  agree(): void {
    const { broker, ackedInVain } = this
    expect(ordered(broker.acked)).toEqual(this.tagsThatAre('acked').filter(tag => !ackedInVain.has(tag)))
    expect(ordered(broker.refused)).toEqual(this.tagsThatAre('refused'))
    expect(ordered(broker.unsettled)).toEqual(this.tagsThatAre('outstanding'))
  }

  /** What can be asked of it is right. */
  check(): void {
    const { unacked, metrics } = this
    const outstanding = this.tagsThatAre('outstanding')
    expect(unacked.outstanding()).toEqual(outstanding)
    expect(unacked.count).toBe(outstanding.length)
    expect(unacked.top).toBe(this.fates.length)
    expect(metrics.delivered).toBe(this.fates.length)
    expect(metrics.settled).toBe(this.tagsThatAre('acked').length + this.tagsThatAre('refused').length)
    expect(metrics.staleSettlements).toBe(this.stale)
  }

  #set(tags: readonly number[], fate: Fate): void {
    for (const tag of tags) this.fates[tag - 1] = fate
  }
}

/** How few frames can do it. */
function fewest(tags: readonly number[], lowestKept: number): number {
  const run = tags.filter(tag => tag < lowestKept).length
  return Math.min(run, 1) + tags.length - run
}

function ordered(tags: Iterable<number>): number[] {
  return [...tags].sort((a, b) => a - b)
}

const ACK: Settlement = { kind: 'ack', multiple: false }
const settlement = fc.constantFrom<Settlement>(
  ACK,
  ACK,
  ACK,
  { kind: 'nack', multiple: false, requeue: true },
  { kind: 'reject', requeue: false },
  { kind: 'ack', multiple: true },
  { kind: 'nack', multiple: true, requeue: false },
)

/** Chooses out of a list. */
const pick = fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 12 })
function chosen(from: readonly number[], picks: readonly number[]): number[] {
  return from.length === 0 ? [] : picks.map(pick => from[pick % from.length] as number)
}

type Step = (channel: Channel) => void

const ordinary: fc.Arbitrary<Step>[] = [
  fc.integer({ min: 1, max: 100 }).map(count => channel => channel.deliver(count)),
  fc.tuple(pick, settlement).map(([picks, how]) => channel => {
    for (const tag of chosen(channel.tagsThatAre('outstanding'), picks)) channel.settle(tag, how)
  }),
  // Whatever became of it.
  fc.tuple(pick, settlement).map(([[first = 0], how]) => channel => {
    if (channel.fates.length > 0) channel.settle((first % channel.fates.length) + 1, how)
  }),
  // All but a few old ones: these stay behind.
  fc
    .tuple(fc.nat(4), fc.constantFrom<Settlement>(ACK, { kind: 'reject', requeue: true }))
    .map(([left, how]) => channel => {
      for (const tag of channel.tagsThatAre('outstanding').slice(left)) channel.settle(tag, how)
    }),
  // Many come and go while the old ones stay.
  fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 40 }), settlement)
    .map(([count, perTick, how]) => channel => {
      const multiple = how.kind !== 'reject' && how.multiple
      for (let come = 1; come <= count; come++) {
        channel.deliver(1)
        channel.settle(channel.fates.length, multiple ? ACK : how)
        if (come % perTick === 0) channel.outbox.tick()
      }
    }),
  fc.constant(channel => channel.tick()),
  fc.integer({ min: -2, max: 1e9 }).map(off => channel => {
    const tag = channel.fates.length + 1 + off
    if (off !== 0) expect(() => channel.unacked.add(tag)).toThrow(CommandInvalidError)
  }),
]

const givingBack: fc.Arbitrary<Step>[] = [
  pick.map(picks => channel => {
    const all = channel.fates.map((_, index) => index + 1)
    channel.giveBack(chosen(all, picks))
  }),
  fc.nat(20).map(left => channel => {
    channel.giveBack(channel.tagsThatAre('outstanding').slice(left).reverse())
  }),
  fc.nat(20).map(last => channel => channel.giveBack(channel.tagsThatAre('outstanding').slice(0, last))),
]

const automatic: fc.Arbitrary<Step>[] = [
  // In order, as a consumer without acks has it.
  fc.nat(30).map(count => channel => {
    for (const tag of channel.tagsThatAre('outstanding').slice(0, count)) channel.autoAck(tag)
  }),
  pick.map(([first = 0]) => channel => {
    for (const tag of chosen(channel.tagsThatAre('outstanding'), [first])) channel.autoAck(tag)
  }),
]

const takingBack: fc.Arbitrary<Step>[] = [
  pick.map(picks => channel => channel.takeBack(chosen(channel.tagsThatAre('outstanding'), picks))),
  // Every second, third, ... of all there ever were: some are due, some settled.
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(200)).map(([each, newest]) => channel => {
    const all = channel.fates.map((_, index) => index + 1).slice(-newest)
    channel.takeBack(all.filter(tag => tag % each === 0))
  }),
]

function holds(steps: fc.Arbitrary<Step>[]): void {
  fc.assert(
    fc.property(fc.array(fc.oneof(...steps), { maxLength: 60, size: 'max' }), steps => {
      const channel = new Channel()
      for (const step of steps) {
        step(channel)
        channel.check()
      }
      channel.tick()
      for (const tag of channel.tagsThatAre('outstanding').reverse()) channel.settle(tag, ACK)
      channel.tick()
      channel.check()
      expect(channel.broker.unsettled.size).toBe(0)
    }),
    { numRuns: 50 },
  )
}

test('whatever is settled, in whatever order, the broker ends up with the very same', () => {
  holds(ordinary)
})

test('what is given back is what was asked for, in as few frames as can be', () => {
  holds([...ordinary, ...givingBack])
})

test('automatic acks are no others than those of a user', () => {
  holds([...ordinary, ...givingBack, ...automatic])
})

test('what the broker has taken back is never on the wire again, and everything else still is', () => {
  holds([...ordinary, ...givingBack, ...automatic, ...takingBack])
})
