/** Covers the behaviour of the queue, compared with a plain array where that is the whole truth. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Deque } from '../../../src/util/deque.js'

const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ name: fc.constant('push' as const), item: fc.integer() }) },
  { weight: 2, arbitrary: fc.record({ name: fc.constant('unshift' as const), item: fc.integer() }) },
  { weight: 3, arbitrary: fc.record({ name: fc.constant('shift' as const) }) },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('peek' as const) }) },
)

describe('Deque', () => {
  test('behaves as an array does, whatever is done to it', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), operations => {
        const deque = new Deque<number>()
        const model: number[] = []
        for (const step of operations) {
          if (step.name === 'push') {
            deque.push(step.item)
            model.push(step.item)
          } else if (step.name === 'unshift') {
            deque.unshift(step.item)
            model.unshift(step.item)
          } else if (step.name === 'shift') {
            expect(deque.shift()).toBe(model.shift())
          } else {
            expect(deque.peek()).toBe(model[0])
          }
          expect(deque.length).toBe(model.length)
        }
        expect(deque.items()).toEqual(model)
        expect(deque.drain()).toEqual(model)
        expect(deque.length).toBe(0)
      }),
    )
  })

  test('keeps the order when it grows while its first item lies in the middle of the ring', () => {
    const deque = new Deque<number>()
    for (let item = 0; item < 16; item++) deque.push(item)
    for (let item = 0; item < 10; item++) expect(deque.shift()).toBe(item)
    for (let item = 16; item < 40; item++) deque.push(item)
    expect(deque.items()).toEqual(Array.from({ length: 30 }, (_, index) => index + 10))
  })

  test('grows also from the front', () => {
    const deque = new Deque<number>()
    for (let item = 0; item < 100; item++) deque.unshift(item)
    expect(deque.items()).toEqual(Array.from({ length: 100 }, (_, index) => 99 - index))
  })

  test('has no first item when it is empty', () => {
    const deque = new Deque<string>()
    expect(deque.peek()).toBeUndefined()
    expect(deque.shift()).toBeUndefined()
    expect(deque.length).toBe(0)
    deque.push('a')
    deque.shift()
    expect(deque.peek()).toBeUndefined()
  })

  test('can be used again after it was drained', () => {
    const deque = new Deque<string>()
    deque.push('a')
    expect(deque.drain()).toEqual(['a'])
    deque.push('b')
    expect(deque.items()).toEqual(['b'])
  })

  test('hands out its items without giving its own memory away', () => {
    const deque = new Deque<string>()
    deque.push('a')
    deque.items().push('b')
    expect(deque.items()).toEqual(['a'])
  })

  test('hands out all its items, undefined ones among them', () => {
    const deque = new Deque<number | undefined>()
    for (const item of [1, undefined, 2]) deque.push(item)
    expect(deque.drain()).toEqual([1, undefined, 2])
  })
})
