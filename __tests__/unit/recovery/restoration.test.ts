/** Covers the coming back of one part of the topology: what it waits for, and when it is late. */
import { describe, expect, test } from '@jest/globals'
import { Restoration } from '../../../src/recovery/restoration.js'
import { isOver } from '../../support/outcome.js'

function begin() {
  const quiet: string[] = []
  const add = (name: string, ...before: (Restoration | undefined)[]): Restoration =>
    new Restoration(
      {
        entity: { kind: 'queue', name },
        subject: { name },
        before,
        isWanted: () => true,
        act: self => Promise.resolve(self.name),
      },
      one => quiet.push(`${one.name}${one.isLate ? ' is late' : ''}`),
    )
  return { quiet, add }
}

describe('a part of the topology', () => {
  test('has its turn when everything is settled that it follows, whatever came of that', async () => {
    const { add } = begin()
    const [one, two] = [add('one'), add('two')]
    const follower = add('follower', one, undefined, two)
    expect(await isOver(one.turn())).toBe(true)
    one.settle()
    expect(await isOver(follower.turn())).toBe(false)
    two.settle()
    expect(await isOver(follower.turn())).toBe(true)
  })

  test('follows others also by way of one between', () => {
    const { add } = begin()
    const first = add('first')
    const last = add('last', add('middle', first))
    expect(last.follows(new Set([first]))).toBe(true)
    expect(first.follows(new Set([last]))).toBe(false)
  })

  test('is quiet once: when it is settled, or before if it is late', async () => {
    const { add, quiet } = begin()
    const [prompt, slow] = [add('prompt'), add('slow')]
    prompt.settle()
    prompt.settle()
    slow.delay(new Error('held'))
    slow.delay(new Error('held still'))
    expect([await isOver(slow.quiet), await isOver(slow.settled)]).toEqual([true, false])
    slow.settle()
    expect(await isOver(slow.settled)).toBe(true)
    expect(quiet).toEqual(['queue prompt', 'queue slow is late'])
  })

  test('is late with the latest reason, and everything that follows it is late without one', () => {
    const { add, quiet } = begin()
    const first = add('first')
    const last = add('last', add('middle', first))
    first.delay(new Error('held'))
    first.delay(new Error('held still'))
    first.delay(undefined)
    expect([first.error?.message, last.error, last.isLate]).toEqual(['held still', undefined, true])
    expect(quiet.sort()).toEqual(['queue first is late', 'queue last is late', 'queue middle is late'])
  })

  test('that is settled is not late any more, and what follows it neither', () => {
    const { add } = begin()
    const first = add('first')
    const last = add('last', first)
    first.settle()
    first.delay(new Error('too late to be late'))
    expect([first.isLate, last.isLate]).toEqual([false, false])
  })

  test('acts as its plan says, on itself', async () => {
    const { add } = begin()
    await expect(add('one').act()).resolves.toBe('queue one')
  })
})
