/** Covers the barriers of a confirm channel: when one is sent, which publish came back, and what lies behind none. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import { methods } from '../../../src/codec/methods.gen.js'
import type { Channel } from '../../../src/connection/channel.js'
import type { Request } from '../../../src/connection/request.js'
import { Barriers } from '../../../src/publishing/barriers.js'
import { PendingPublish, routeOf } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const budget = new PublishBudget(1e6, 1e9)

/** The barriers of a channel whose broker is the test. */
function begin() {
  const asked: string[] = []
  const unanswered: (() => void)[] = []
  let answers = 0
  const channel = {
    ask: ({ name }: Request, _context: object, resolve: (reply: object) => void) => {
      asked.push(name)
      const method = { id: methods['confirm.select-ok'].id, name: 'confirm.select-ok', args: {} }
      unanswered.push(() => resolve({ method, content: undefined }))
    },
  }
  const barriers = new Barriers(channel as unknown as Channel, () => answers++)
  /** The broker has come to so many more barriers. */
  const answer = (count = 1): void => {
    for (const one of unanswered.splice(0, count)) one()
  }
  /** Writes a publish as the confirm channel does. */
  const write = (routingKey: string, mandatory = true): PendingPublish => {
    const message = messageOf('x', { routingKey, mandatory })
    const publish = new PendingPublish(1, message, budget, unexpected, unexpected)
    if (publish.route !== undefined) barriers.beforeMandatory(publish.route)
    barriers.afterWrite(publish)
    return publish
  }
  const returned = (routingKey: string): PendingPublish | undefined =>
    barriers.findReturned(routeOf('e', routingKey))
  return { barriers, asked, answer, answers: () => answers, write, returned }
}

function unexpected(): never {
  throw new Error('barriers settle nothing')
}

describe('a barrier', () => {
  test('is sent at once: it puts the channel into confirm mode', () => {
    expect(begin().asked).toEqual(['confirm.select'])
  })

  test('comes before a second mandatory publish to the same route, and only there', () => {
    const { asked, write } = begin()
    write('a')
    write('b')
    expect(asked).toHaveLength(1)
    write('a')
    expect(asked).toHaveLength(2)
    // A barrier lies before it already.
    write('b')
    expect(asked).toHaveLength(2)
    write('b')
    expect(asked).toHaveLength(3)
  })

  test('is not needed between publishes that are not mandatory', () => {
    const { asked, write } = begin()
    for (let index = 0; index < 3; index++) write('a', false)
    expect(asked).toHaveLength(1)
  })

  test('that was sent for another reason serves mandatory publishes too', () => {
    const { barriers, asked, write } = begin()
    write('a')
    barriers.enclose()
    write('a')
    expect(asked).toHaveLength(2)
  })

  test.each([true, false])(
    'does not come by itself, but what lies behind the last is counted (mandatory: %p)',
    mandatory => {
      const { barriers, asked, write } = begin()
      expect(barriers.written).toBe(0)
      for (let index = 0; index < 2000; index++) write(`k${index}`, mandatory)
      expect(asked).toHaveLength(1)
      expect(barriers.written).toBe(2000)
      barriers.enclose()
      expect(asked).toHaveLength(2)
      expect(barriers.written).toBe(0)
      write('one more', mandatory)
      expect(barriers.written).toBe(1)
    },
  )

  test('is not needed behind one with nothing in between', () => {
    const { barriers, asked, write } = begin()
    barriers.enclose()
    expect(asked).toHaveLength(1)
    write('a', false)
    for (let time = 0; time < 3; time++) barriers.enclose()
    expect(asked).toHaveLength(2)
  })

  test('that is answered is told, the first one too', () => {
    const { answer, write, barriers, answers } = begin()
    expect(answers()).toBe(0)
    answer()
    expect(answers()).toBe(1)
    write('a', false)
    barriers.enclose()
    expect(answers()).toBe(1)
    answer()
    expect(answers()).toBe(2)
  })
})

describe('everything is dealt with', () => {
  test('where nothing was written', () => {
    expect(begin().barriers.allAnswered).toBe(true)
  })

  test('where the last barrier is answered, and nothing was written behind it', () => {
    const { barriers, answer, write } = begin()
    const states: boolean[] = []
    const steps = [
      () => write('a', false),
      () => answer(),
      () => barriers.enclose(),
      () => answer(),
      () => write('a', false),
      () => barriers.enclose(),
      () => write('b', false),
      () => answer(),
      () => barriers.enclose(),
      () => answer(),
    ]
    for (const step of steps) {
      step()
      states.push(barriers.allAnswered)
    }
    expect(states).toEqual([false, false, false, true, false, false, false, false, false, true])
  })
})

describe('a message that came back', () => {
  test('is the one to its route behind the last answered barrier', () => {
    const { answer, write, returned } = begin()
    const [first, other, second, third] = [write('a'), write('b'), write('a'), write('a')]
    answer()
    expect(returned('a')).toBe(first)
    expect(returned('b')).toBe(other)
    answer()
    expect(returned('a')).toBe(second)
    answer()
    expect(returned('a')).toBe(third)
  })

  test('is none that lies before an answered barrier, nor one that lies behind one still to be answered', () => {
    const { barriers, answer, write, returned } = begin()
    expect(returned('a')).toBeUndefined()
    write('a')
    expect(returned('a')).toBeUndefined()
    answer()
    barriers.enclose()
    write('b')
    expect(returned('b')).toBeUndefined()
    answer()
    expect(returned('a')).toBeUndefined()
    expect(returned('b')).toBeDefined()
  })

  test('is none that went elsewhere, or was not mandatory', () => {
    const { answer, write, returned } = begin()
    answer()
    write('a')
    write('b', false)
    expect(returned('b')).toBeUndefined()
    expect(returned('c')).toBeUndefined()
  })

  test('does not take the publish off: its confirm is still to come', () => {
    const { barriers, answer, write, returned } = begin()
    answer()
    const publish = write('a')
    expect(returned('a')).toBe(publish)
    expect(barriers.isBehindLastAnswer(publish)).toBe(true)
    expect(returned('a')).toBe(publish)
  })
})

describe('a publish', () => {
  test('is unanswered between the last answered barrier and the next one', () => {
    const { barriers, answer, write } = begin()
    const first = write('a', false)
    barriers.enclose()
    const [second, third] = [write('a', false), write('b')]
    barriers.enclose()
    const fourth = write('a', false)
    const unanswered = () =>
      [first, second, third, fourth].map(publish => barriers.isBehindLastAnswer(publish))
    expect(unanswered()).toEqual([false, false, false, false])
    answer()
    expect(unanswered()).toEqual([true, false, false, false])
    answer()
    expect(unanswered()).toEqual([false, true, true, false])
    answer()
    expect(unanswered()).toEqual([false, false, false, true])
  })

  test('is answered once a barrier behind it is', () => {
    const { barriers, answer, write } = begin()
    const first = write('a', false)
    barriers.enclose()
    const second = write('a', false)
    answer()
    expect([first, second].map(publish => barriers.isAnswered(publish))).toEqual([false, false])
    answer()
    expect([first, second].map(publish => barriers.isAnswered(publish))).toEqual([true, false])
  })
})

/** Writes where no variable of the test keeps what was written. */
const writeWeakly = (write: (routingKey: string) => PendingPublish, routingKey: string) =>
  new WeakRef(write(routingKey))

async function forgotten(publish: WeakRef<PendingPublish>): Promise<boolean> {
  for (let round = 0; round < 20 && publish.deref() !== undefined; round++) {
    await turns()
    collectGarbage()
  }
  return publish.deref() === undefined
}

test('a publish that is not mandatory is not kept: it cannot come back', async () => {
  const { write, returned } = begin()
  const gone = writeWeakly(routingKey => write(routingKey, false), 'a')
  expect(await forgotten(gone)).toBe(true)
  expect(returned('a')).toBeUndefined()
})

describe('what lies before an answered barrier', () => {
  test.each([
    ['a barrier is sent', (begun: ReturnType<typeof begin>) => begun.barriers.enclose()],
    ['a message came back', (begun: ReturnType<typeof begin>) => begun.returned('z')],
  ])('is forgotten when %s', async (_, act) => {
    const begun = begin()
    const { barriers, answer, write, returned } = begun
    const gone = writeWeakly(write, 'a')
    barriers.enclose()
    const kept = write('b')
    answer(2)
    act(begun)
    expect(await forgotten(gone)).toBe(true)
    expect(returned('b')).toBe(kept)
  })

  test('is forgotten also where nothing lies behind it', async () => {
    const { barriers, answer, write, returned } = begin()
    const gone = writeWeakly(write, 'a')
    barriers.enclose()
    answer(2)
    expect(returned('a')).toBeUndefined()
    expect(await forgotten(gone)).toBe(true)
  })
})
