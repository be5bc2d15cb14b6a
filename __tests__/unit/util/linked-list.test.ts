/** Covers the linked list: it does what an array does, and any item can be removed. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LinkedList, type ListItem } from '../../../src/util/linked-list.js'

class Item implements ListItem<Item> {
  previous: Item | undefined
  next: Item | undefined
  constructor(readonly name: number) {}
}

/** Along the links; checks that those back lead to where one came from. */
function* forwards(list: LinkedList<Item>): Generator<Item> {
  let previous: Item | undefined
  for (let item = list.peek(); item !== undefined; item = item.next) {
    expect(item.previous).toBe(previous)
    previous = item
    yield item
  }
}

describe('a linked list', () => {
  test('does what an array does, whatever the sequence', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('push' as const) },
      { weight: 3, arbitrary: fc.record({ before: fc.nat(20) }) },
      { weight: 2, arbitrary: fc.constant('shift' as const) },
      { weight: 3, arbitrary: fc.nat(20) },
    )
    const property = fc.property(fc.array(step, { maxLength: 100 }), steps => {
      const list = new LinkedList<Item>()
      const model: Item[] = []
      for (const [index, next] of steps.entries()) {
        const item = new Item(index)
        if (next === 'push') {
          list.push(item)
          model.push(item)
        } else if (typeof next === 'object') {
          // Before the item of this place; where there is none, at the end.
          list.insert(item, model[next.before])
          model.splice(next.before, 0, item)
        } else if (next === 'shift') {
          expect(list.shift()).toBe(model.shift())
        } else {
          const [victim] = model.splice(next, 1)
          if (victim !== undefined) expect(list.remove(victim)).toBe(true)
        }
        expect(list.length).toBe(model.length)
        expect(list.peek()).toBe(model[0])
        expect([...forwards(list)]).toEqual(model)
      }
      for (const item of model) expect(list.shift()).toBe(item)
      expect([list.length, list.shift()]).toEqual([0, undefined])
    })
    fc.assert(property, { numRuns: 300 })
  })

  test('says of an item that is not in it that it did not remove it', () => {
    const list = new LinkedList<Item>()
    const [inside, outside] = [new Item(1), new Item(2)]
    list.push(inside)
    expect(list.remove(outside)).toBe(false)
    expect(list.remove(inside)).toBe(true)
    expect(list.remove(inside)).toBe(false)
    expect(list.length).toBe(0)
  })

  test('takes an item before the first one, before another one, and at the end', () => {
    const list = new LinkedList<Item>()
    const [one, two, three, four] = [new Item(1), new Item(2), new Item(3), new Item(4)]
    list.insert(three, undefined)
    list.insert(one, three)
    list.insert(two, three)
    list.insert(four, undefined)
    expect(list.length).toBe(4)
    expect([...forwards(list)]).toEqual([one, two, three, four])
  })
})
