/** Covers who gets which delivery of a consumer: the order, the window, automatic acks, and what is left at the end. */
import { describe, expect, test } from '@jest/globals'
import { type DeliveryHost, DeliveryQueue } from '../../../src/client/delivery-queue.js'
import { Message } from '../../../src/client/message.js'
import { PrefetchWindow } from '../../../src/client/prefetch-window.js'
import { Assembly } from '../../../src/connection/content.js'
import type { Settler } from '../../../src/session/settlement.js'
import { turns } from '../../support/memory/scripted-peer.js'

/** A message without properties and body: of its basic.deliver, all fields are empty. */
const content = new Assembly(0)
content.methodBytes = Buffer.alloc(12)
content.methodEnd = 12

const NORMAL = { error: undefined }

/** A queue of deliveries, the broker's and the user's part played by the test. */
function begin(prefetch?: number, noAck = false) {
  let unacked = 0
  let windowChanges = 0
  const acked: [deliveryTag: number, soon: boolean][] = []
  const host: DeliveryHost = {
    get unacked() {
      return unacked
    },
  }
  /** The deliveries that the broker has taken back. */
  const gone = new Set<number>()
  const settler: Settler = {
    settle: () => true,
    autoAck: (deliveryTag, soon) => acked.push([deliveryTag, soon]),
    giveBack: () => undefined,
    isOutstanding: deliveryTag => !gone.has(deliveryTag),
    publicTag: tag => tag,
    isFromStream: () => false,
  }
  /** The tags of what is not handed out any more. */
  const surplus = (): number[] => queue.takeSurplus().map(({ deliveryTag }) => deliveryTag)
  const window = new PrefetchWindow(prefetch, noAck)
  const queue = new DeliveryQueue(host, window, noAck, () => windowChanges++)
  let lastTag = 0
  /** So many messages come; their tags go on from the last one. */
  const deliver = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (!noAck) unacked++
      queue.push(new Message(content, ++lastTag, settler, noAck, false))
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
  /** The broker has cancelled the consumer, and takes back what is delivered, but for the tags given. */
  const suspend = (kept: readonly number[] = []): void => {
    for (let tag = 1; tag <= lastTag; tag++) if (!kept.includes(tag)) gone.add(tag)
    unacked = kept.length
    queue.suspend()
  }
  const counts = { acked, surplus, windowChanges: () => windowChanges }
  return { queue, window, deliver, settle, suspend, ask, soFar, ...counts }
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
    const { queue, window, deliver, ask, windowChanges } = begin(7)
    window.set(0)
    queue.handOut()
    const half = window.wireCount / 2
    deliver(half + 1)
    ask(half)
    expect(windowChanges()).toBe(0)
    ask()
    expect(windowChanges()).toBe(1)
    expect(window.wireCount).toBe(4 * half)
  })
})

describe('a reader who waits', () => {
  test('has the window grow when it was full', async () => {
    const { window, deliver, settle, ask, soFar, windowChanges } = begin()
    for (let message = 0; message < 8; message++) {
      deliver(1)
      ask()
      settle(1)
    }
    expect(windowChanges()).toBe(0)
    ask()
    expect(windowChanges()).toBe(1)
    expect(window.wireCount).toBe(8)
    expect((await soFar()).at(-1)).toBe('waits')
  })

  test('and holds all that the broker may send has it grow at once', () => {
    const { deliver, ask, windowChanges } = begin()
    deliver(1)
    ask(2)
    expect(windowChanges()).toBe(1)
  })
})

describe('a pause', () => {
  test('has iterators wait, and ends with what waits being handed out', async () => {
    const { queue, deliver, ask, soFar, windowChanges } = begin(5)
    ask()
    queue.pause()
    deliver(2)
    ask()
    expect(await soFar()).toEqual(['waits', 'waits'])
    queue.resume()
    expect(await soFar()).toEqual([1, 2])
    expect(windowChanges()).toBe(0)
  })

  test('ends with the consumer: what is left is handed out', async () => {
    const { queue, deliver, ask, soFar } = begin(5)
    deliver(1)
    queue.pause()
    ask(2)
    queue.end(NORMAL)
    expect(await soFar()).toEqual([1, 'done'])
  })

  test('lets what waits be taken back', async () => {
    const { queue, deliver, ask, soFar } = begin(5)
    deliver(4)
    queue.pause()
    const taken = queue.takeBack(({ deliveryTag }) => deliveryTag % 2 === 0)
    expect(taken.map(({ deliveryTag }) => deliveryTag)).toEqual([2, 4])
    queue.resume()
    ask(2)
    expect(await soFar()).toEqual([1, 3])
  })
})

describe('what waits when the broker has cancelled the consumer', () => {
  test('is dropped when the next delivery comes, or the consumer is back', async () => {
    for (const isBack of ['by a delivery', 'known otherwise']) {
      const { queue, deliver, suspend, ask, soFar } = begin(5)
      deliver(2)
      suspend()
      ask()
      expect(await soFar()).toEqual(['waits'])
      if (isBack === 'known otherwise') queue.endDoubt()
      deliver(1)
      expect(await soFar()).toEqual([3])
    }
  })

  test('goes to who waits already when the consumer is back, where the broker has not taken it back', async () => {
    const { queue, deliver, suspend, ask, soFar } = begin(5)
    deliver(3)
    suspend([2, 3])
    ask(3)
    expect(await soFar()).toEqual(['waits', 'waits', 'waits'])
    queue.endDoubt()
    expect(await soFar()).toEqual([2, 3, 'waits'])
  })

  test('is handed out if the consumer ends', async () => {
    const { queue, deliver, suspend, ask, soFar } = begin(1)
    deliver(3)
    ask()
    suspend()
    expect(queue.handedOut).toBe(0)
    queue.end(NORMAL)
    ask(3)
    expect(await soFar()).toEqual([1, 2, 3, 'done'])
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
    const { queue, deliver, settle, ask, soFar, surplus } = begin(1)
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
    expect(surplus()).toEqual([])
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
    const { queue, deliver, ask, soFar, surplus } = begin()
    queue.end({ error })
    deliver(2)
    ask()
    expect(await soFar()).toEqual([last])
    expect(queue.isEmpty).toBe(true)
    expect(queue.handedOut).toBe(0)
    expect(surplus()).toEqual([1, 2])
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
    const { queue, deliver, settle, ask, soFar, surplus } = begin(2)
    deliver(4)
    ask(3)
    queue.discard()
    expect(queue.isEmpty).toBe(true)
    expect(queue.handedOut).toBe(2)
    settle(2)
    expect(await soFar()).toEqual([1, 2, 'waits'])
    expect(queue.handedOut).toBe(0)
    expect(surplus()).toEqual([3, 4])
  })

  test('is taken once', () => {
    const { queue, deliver, surplus } = begin()
    deliver(1)
    queue.discard()
    expect(surplus()).toEqual([1])
    expect(surplus()).toEqual([])
    queue.end(NORMAL)
    deliver(1)
    expect(surplus()).toEqual([2])
  })
})

describe('what is cleared', () => {
  test('is neither handed out nor surplus; iterators wait for what comes next', async () => {
    const { queue, deliver, settle, ask, soFar, surplus } = begin(1)
    deliver(2)
    queue.discard()
    deliver(2)
    ask(2)
    expect(await soFar()).toEqual([3, 'waits'])
    queue.clear()
    expect(queue.isEmpty).toBe(true)
    expect(surplus()).toEqual([])
    // The channel is closed: nothing that it delivered can be settled.
    settle(4)
    expect(await soFar()).toEqual([3, 'waits'])
    deliver(1)
    expect(await soFar()).toEqual([3, 5])
  })
})
