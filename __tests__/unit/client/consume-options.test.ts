/** Covers what basicConsume and basicConsumeMulti make of what they are given: defaults, checks, unique tags. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readConsumeOptions } from '../../../src/client/consume-options.js'
import { ArgumentError } from '../../../src/errors.js'
import type { ConsumeMultiOptions, QueueItem } from '../../../src/options.js'

describe('readConsumeOptions', () => {
  test('fills in the defaults of a queue that is only named', () => {
    const { queues, noAck, signal, window } = readConsumeOptions(['q'], {}, { ticket: 7 })
    expect(queues).toEqual([
      { queue: 'q', consumerTag: 'puka.7.1', noLocal: false, exclusive: false, arguments: {} },
    ])
    expect([noAck, signal, window.wireCount]).toEqual([false, undefined, 1000])
  })

  test('takes each option of a queue', () => {
    const item = {
      queue: 'q',
      consumerTag: 't',
      noLocal: true,
      exclusive: true,
      arguments: { 'x-priority': 1 },
    }
    expect(readConsumeOptions([item], { prefetchCount: 3, noAck: true }, { ticket: 1 })).toMatchObject({
      queues: [item],
      noAck: true,
    })
  })

  test('gives every queue a tag of its own, and the tag that it asks for where that is free', () => {
    const tag = fc.option(fc.constantFrom('a', 'a.2', 'a.3', 'puka.1.2', 'b'), { nil: undefined })
    fc.assert(
      fc.property(fc.array(tag, { minLength: 1, maxLength: 12 }), tags => {
        const items = tags.map(consumerTag => (consumerTag === undefined ? 'q' : { queue: 'q', consumerTag }))
        const given = readConsumeOptions(items, {}, { ticket: 1 }).queues.map(queue => queue.consumerTag)
        expect(new Set(given).size).toBe(tags.length)
        for (const [index, asked] of tags.entries()) {
          if (asked === undefined || given.slice(0, index).includes(asked)) continue
          expect(given[index]).toBe(asked)
        }
      }),
    )
  })

  test.each<[unknown, unknown]>([
    [[], {}],
    ['q', {}],
    [[undefined], {}],
    [[{ queue: 1 }], {}],
    [[{ queue: 'q', consumerTag: '' }], {}],
    [['q'], { noAck: 1 }],
    [['q'], { signal: true }],
    [['q'], { prefetchCount: -1 }],
  ])('refuses %j with %j', (items, options) => {
    expect(() =>
      readConsumeOptions(items as QueueItem[], options as ConsumeMultiOptions, { ticket: 1 }),
    ).toThrow(ArgumentError)
  })
})
