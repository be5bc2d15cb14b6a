/** Covers slots: how many are taken, who is next, and that none is lost or given twice. */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Slots } from '../../../src/util/slots.js'
import { turns } from '../../support/memory/scripted-peer.js'

/** Takes slots by name; says who has begun, and lets one leave. */
function crowd(count: number) {
  const slots = new Slots(count)
  const begun: string[] = []
  const inside = new Map<string, () => void>()
  return {
    slots,
    begun,
    inside,
    come: (name: string): void =>
      slots.run(leave => {
        begun.push(name)
        inside.set(name, leave)
      }),
    async go(name: string | undefined): Promise<void> {
      inside.get(name ?? '')?.()
      inside.delete(name ?? '')
      await turns(1)
    },
  }
}

test('are given at once while there are any, and in the order of coming then', async () => {
  const { slots, begun, come, go } = crowd(2)
  for (const name of ['a', 'b', 'c', 'd']) come(name)
  expect(begun).toEqual(['a', 'b'])
  expect([slots.running, slots.waiting, slots.anyFree]).toEqual([2, 2, false])
  await go('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  await go('a')
  await go('c')
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  expect([slots.running, slots.waiting, slots.anyFree]).toEqual([1, 0, true])
})

test('that nobody waits for are given again at once', async () => {
  const { slots, begun, come, go } = crowd(1)
  for (const name of ['a', 'b', 'c']) {
    come(name)
    expect(begun.at(-1)).toBe(name)
    expect(slots.anyFree).toBe(false)
    void go(name)
    expect([slots.running, slots.anyFree]).toEqual([0, true])
  }
})

test('without a limit never run out', () => {
  const { slots, begun, come } = crowd(Number.POSITIVE_INFINITY)
  for (let index = 0; index < 1000; index++) come(`${index}`)
  expect(begun).toHaveLength(1000)
  expect([slots.running, slots.waiting, slots.anyFree]).toEqual([1000, 0, true])
})

test('are never more than there are, and none is left empty while somebody waits, whoever comes and goes', async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.boolean(), { maxLength: 40 }),
    async (count, steps) => {
      const { slots, begun, inside, come, go } = crowd(count)
      let came = 0
      let left = 0
      for (const comes of steps) {
        if (comes) come(`${came++}`)
        else if (inside.size > 0) {
          await go(inside.keys().next().value)
          left++
        }
        expect(inside.size).toBe(Math.min(count, came - left))
        expect(slots.running).toBe(inside.size)
        expect(slots.waiting).toBe(came - left - inside.size)
      }
      expect(begun).toEqual(Array.from(begun, (_, index) => `${index}`))
    },
  )
  await fc.assert(property, { numRuns: 50 })
})
