/** Covers who gets which delivery of a consumer: the order, the window, automatic acks, and what is left at the end. */
import { describe, expect, test } from '@jest/globals'
import { type DeliveryHost, DeliveryQueue } from '../../../src/client/delivery-queue.js'
import { Message } from '../../../src/client/message.js'
import { PrefetchWindow } from '../../../src/client/prefetch-window.js'
import { Assembly } from '../../../src/connection/content.js'
import type { Settler } from '../../../src/session/settlement.js'
import { turns } from '../../support/memory/scripted-peer.js'

const NORMAL = { error: undefined }
const settler: Settler = { settle: () => true, publicTag: tag => tag }

/** A queue of deliveries, the broker's and the user's part played by the test. */
function begin(prefetch?: number, noAck = false) {
  let unacked = 0
  let windowChanges = 0
  const acked: [deliveryTag: number, soon: boolean][] = []
  const host: DeliveryHost = {
    get unacked() {
      return unacked
    },
    autoAck: (deliveryTag, soon) => acked.push([deliveryTag, soon]),
  }
  const window = new PrefetchWindow(prefetch, noAck)
  const queue = new DeliveryQueue(host, window, noAck, () => windowChanges++)
  let lastTag = 0
  /** So many messages come; their tags go on from the last one. */
  const deliver = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (!noAck) unacked++
      queue.push(new Message(new Assembly(0), ++lastTag, settler, noAck, false))
    }
  }
  /** The user settles so many. */
  const settle = (count: number): void => {
    unacked -= count
    queue.handOut()
  }
  /** What iterators got, in the order in which they asked; the others wait. */
  const got: (number | string)[] = []
  const ask = (count = 1): void => {
    for (let index = 0; index < count; index++) {
      const place = got.push('waits') - 1
      const step = queue.next() ?? queue.lastStep()
      step.then(
        ({ value, done }) => {
          got[place] = done === true ? 'done' : value.deliveryTag
        },
        (error: Error) => {
          got[place] = error.message
        },
      )
    }
  }
  /** What iterators got by now. */
  const soFar = async () => {
    await turns(1)
    return got
  }
  return { queue, window, deliver, settle, ask, soFar, acked, windowChanges: () => windowChanges }
}

describe('deliveries', () => {
  test('are handed out in the order in which they came', async () => {
    const { queue, deliver, ask, soFar } = begin()
    expect(queue.isEmpty).toBe(true)
    deliver(4)
    ask(3)
    expect(await soFar()).toEqual([1, 2, 3])
    expect(queue.items().map(({ deliveryTag }) => deliveryTag)).toEqual([4])
    expect(queue.isEmpty).toBe(false)
    expect(queue.handedOut).toBe(3)
  })

  test('go to the iterators that wait, first come first served', async () => {
    const { queue, deliver, ask, soFar } = begin()
    ask(3)
    deliver(1)
    expect(await soFar()).toEqual([1, 'waits', 'waits'])
    deliver(1)
    ask()
    expect(await soFar()).toEqual([1, 2, 'waits', 'waits'])
    deliver(3)
    expect(await soFar()).toEqual([1, 2, 3, 4])
    expect(queue.items()).toHaveLength(1)
  })
})

describe('the window', () => {
  test('limits what is handed out; settling makes room', async () => {
    const { queue, deliver, settle, ask, soFar } = begin(2)
    deliver(5)
    ask(4)
    expect(await soFar()).toEqual([1, 2, 'waits', 'waits'])
    expect(queue.handedOut).toBe(2)
    settle(1)
    expect(await soFar()).toEqual([1, 2, 3, 'waits'])
    settle(2)
    expect(await soFar()).toEqual([1, 2, 3, 4])
    expect(queue.handedOut).toBe(1)
    expect(queue.items()).toHaveLength(1)
  })

  test('holds for iterators that waited before anything came', async () => {
    const { deliver, settle, ask, soFar } = begin(1)
    ask(2)
    deliver(2)
    expect(await soFar()).toEqual([1, 'waits'])
    settle(1)
    expect(await soFar()).toEqual([1, 2])
  })

  test('that is raised is used by the next handing out', async () => {
    const { queue, window, deliver, ask, soFar } = begin(1)
    deliver(3)
    ask(3)
    window.set(2)
    queue.handOut()
    expect(await soFar()).toEqual([1, 2, 'waits'])
  })

  test('of a user without a limit asks for more when half of it is in hand', async () => {
    const { window, deliver, ask, windowChanges } = begin()
    const half = window.wireCount / 2
    deliver(half + 1)
    ask(half)
    expect(windowChanges()).toBe(0)
    ask()
    expect(windowChanges()).toBe(1)
    expect(window.wireCount).toBe(4 * half)
  })
})

describe('with noAck, a message', () => {
  test('is acked when it is handed out, not before; the ack is to leave soon at each half of the window', async () => {
    const { deliver, ask, soFar, acked } = begin(4, true)
    deliver(6)
    expect(acked).toEqual([])
    ask()
    expect(acked).toEqual([[1, false]])
    ask(4)
    expect(acked.slice(1)).toEqual([
      [2, true],
      [3, false],
      [4, true],
      [5, false],
    ])
    expect(await soFar()).toEqual([1, 2, 3, 4, 5])
  })

  test('is acked as well where an iterator waits for it', async () => {
    const { deliver, ask, soFar, acked } = begin(1, true)
    ask(2)
    deliver(2)
    expect(await soFar()).toEqual([1, 2])
    expect(acked).toEqual([
      [1, true],
      [2, true],
    ])
  })
})

describe.each([
  ['a normal end', undefined, 'done'],
  ['an end with an error', new Error('the queue is gone'), 'the queue is gone'],
])('%s', (_, error, last) => {
  test('is told to the iterators that wait, and to those that ask later', async () => {
    const { queue, ask, soFar } = begin()
    ask(2)
    queue.end({ error })
    expect(queue.next()).toBeUndefined()
    ask()
    expect(await soFar()).toEqual([last, last, last])
  })

  test('comes after what is left, which is handed out as the window allows', async () => {
    const { queue, deliver, settle, ask, soFar } = begin(1)
    deliver(3)
    ask(2)
    queue.end({ error })
    ask(2)
    expect(await soFar()).toEqual([1, 'waits', 'waits', 'waits'])
    settle(1)
    expect(await soFar()).toEqual([1, 2, 'waits', 'waits'])
    settle(1)
    expect(await soFar()).toEqual([1, 2, 3, last])
    ask()
    expect(await soFar()).toEqual([1, 2, 3, last, last])
    expect(queue.takeSurplus()).toEqual([])
  })

  test('is the only one: what ends it again changes nothing', async () => {
    const { queue, ask, soFar } = begin()
    queue.end({ error })
    queue.end({ error: new Error('another one') })
    queue.end(NORMAL)
    ask()
    expect(await soFar()).toEqual([last])
  })

  test('makes surplus of what comes later', async () => {
    const { queue, deliver, ask, soFar } = begin()
    queue.end({ error })
    deliver(2)
    ask()
    expect(await soFar()).toEqual([last])
    expect(queue.isEmpty).toBe(true)
    expect(queue.handedOut).toBe(0)
    expect(queue.takeSurplus()).toEqual([1, 2])
  })

  test('is told to the iterators that wait for the window when the rest is discarded or forgotten', async () => {
    for (const drop of ['discard', 'clear'] as const) {
      const { queue, deliver, ask, soFar } = begin(1)
      deliver(3)
      ask(3)
      queue.end({ error })
      expect(await soFar()).toEqual([1, 'waits', 'waits'])
      queue[drop]()
      expect(await soFar()).toEqual([1, last, last])
    }
  })
})

describe('what is discarded', () => {
  test('is surplus, in order, and not handed out any more', async () => {
    const { queue, deliver, settle, ask, soFar } = begin(2)
    deliver(4)
    ask(3)
    queue.discard()
    expect(queue.isEmpty).toBe(true)
    expect(queue.handedOut).toBe(2)
    settle(2)
    expect(await soFar()).toEqual([1, 2, 'waits'])
    expect(queue.handedOut).toBe(0)
    expect(queue.takeSurplus()).toEqual([3, 4])
  })

  test('is taken once', () => {
    const { queue, deliver } = begin()
    deliver(1)
    queue.discard()
    expect(queue.takeSurplus()).toEqual([1])
    expect(queue.takeSurplus()).toEqual([])
    queue.end(NORMAL)
    deliver(1)
    expect(queue.takeSurplus()).toEqual([2])
  })
})

describe('what is cleared', () => {
  test('is neither handed out nor surplus; iterators wait for what comes next', async () => {
    const { queue, deliver, settle, ask, soFar } = begin(1)
    deliver(2)
    queue.discard()
    deliver(2)
    ask(2)
    expect(await soFar()).toEqual([3, 'waits'])
    queue.clear()
    expect(queue.isEmpty).toBe(true)
    expect(queue.takeSurplus()).toEqual([])
    // The channel is closed: nothing that it delivered can be settled.
    settle(4)
    expect(await soFar()).toEqual([3, 'waits'])
    deliver(1)
    expect(await soFar()).toEqual([3, 5])
  })
})
