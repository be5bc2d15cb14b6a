/** Covers what basicConsume and basicConsumeMulti make of what they are given: defaults, checks, unique tags. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readConsumeOptions } from '../../../src/client/consume-options.js'
import { ArgumentError } from '../../../src/errors.js'
import type { ConsumeMultiOptions, QueueItem } from '../../../src/options.js'
import { decimal, double, float, int, long, type Table, timestamp } from '../../../src/util/field-value.js'

const ALONE = { takenTags: new Set<string>(), isContended: () => false }

describe('readConsumeOptions', () => {
  test('fills in the defaults of a queue that is only named', () => {
    const { queues, window, context, ...others } = readConsumeOptions(['q'], {}, { ticket: 7 }, ALONE)
    expect(queues).toMatchObject([
      {
        queue: 'q',
        consumerTag: 'puka.7.1',
        noLocal: false,
        exclusive: false,
        arguments: {},
        kind: 'unknown',
      },
    ])
    expect(others).toEqual({
      noAck: false,
      signal: undefined,
      onCancel: 'resume',
      onLeave: 'keep',
      oversized: 'end',
    })
    expect([window.wireCount, context]).toEqual([1, { ticket: 7 }])
  })

  test('takes each option of a queue', () => {
    const item = {
      queue: 'q',
      consumerTag: 't',
      noLocal: true,
      exclusive: true,
      arguments: { 'x-priority': 1 },
    }
    expect(readConsumeOptions([item], { prefetchCount: 3, noAck: true }, { ticket: 1 }, ALONE)).toMatchObject(
      {
        queues: [item],
        noAck: true,
      },
    )
  })

  test('takes a queue for a stream only where its own arguments say so', () => {
    const kindOf = (args: Table) =>
      readConsumeOptions([{ queue: 'q', arguments: args }], {}, {}, ALONE).queues[0]?.kind
    expect([kindOf({}), kindOf({ 'x-priority': 1 })]).toEqual(['unknown', 'unknown'])
    expect([kindOf({ 'x-stream-offset': 'next' }), kindOf({ 'x-stream-offset': 0 })]).toEqual([
      'stream',
      'stream',
    ])
  })

  test('begins with more where another consumer may take the place while the prefetch count grows', () => {
    const countOf = (items: QueueItem[], isContended = false) =>
      readConsumeOptions(items, {}, {}, { ...ALONE, isContended: () => isContended }).window.wireCount
    expect(countOf(['q'])).toBe(1)
    expect(countOf(['q', { queue: 'r', exclusive: true }])).toBe(100)
    expect(countOf(['q'], true)).toBe(100)
  })

  test('gives no tag that another consumer has', () => {
    const tags = (items: QueueItem[]) =>
      readConsumeOptions(
        items,
        {},
        { ticket: 1 },
        { ...ALONE, takenTags: new Set(['a', 'a.2', 'puka.1.1']) },
      ).queues.map(({ consumerTag }) => consumerTag)
    expect(tags([{ queue: 'q', consumerTag: 'a' }, { queue: 'q', consumerTag: 'b' }, 'q', 'q'])).toEqual([
      'a.3',
      'b',
      'puka.1.3',
      'puka.1.4',
    ])
    expect(tags(['q'])).toEqual(['puka.1.1.2'])
  })

  test('gives every queue a tag of its own, and the tag that it asks for where that is free', () => {
    const tag = fc.option(fc.constantFrom('a', 'a.2', 'a.3', 'puka.1.2', 'b'), { nil: undefined })
    fc.assert(
      fc.property(fc.array(tag, { minLength: 1, maxLength: 12 }), tags => {
        const items = tags.map(consumerTag => (consumerTag === undefined ? 'q' : { queue: 'q', consumerTag }))
        const given = readConsumeOptions(items, {}, { ticket: 1 }, ALONE).queues.map(
          queue => queue.consumerTag,
        )
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
    [new Array(1), {}],
    [[{ queue: 1 }], {}],
    [[{ queue: 'q', consumerTag: '' }], {}],
    [[{ queue: 'q', arguments: null }], {}],
    [[{ queue: 'q', arguments: 'x' }], {}],
    [['q'], { noAck: 1 }],
    [['q'], { signal: true }],
    [['q'], { prefetchCount: -1 }],
    [['q'], { onCancel: 'stop' }],
    [['q'], { onLeave: true }],
    [['q'], { oversized: 'drop' }],
  ])('refuses %j with %j', (items, options) => {
    expect(() =>
      readConsumeOptions(items as QueueItem[], options as ConsumeMultiOptions, { ticket: 1 }, ALONE),
    ).toThrow(ArgumentError)
  })
})

describe('what a consumer says of a stream', () => {
  const read = (args: Table) => (): unknown =>
    readConsumeOptions([{ queue: 'q', arguments: args }], {}, {}, ALONE)

  test.each([
    'first',
    'last',
    'next',
    '7D',
    '1h',
    '010s',
    0,
    5,
    5n,
    new Date(),
    timestamp(5n),
    int(5),
    long(2n ** 40n),
    Buffer.from('first'),
    undefined,
  ])('may begin at %p', offset => {
    expect(read({ 'x-stream-offset': offset })).not.toThrow()
  })

  test.each(['frist', '', 'First', '0h', '5', '10ms', '1 h', 1.5, Number.NaN, true, null, [0], { at: 0 }])(
    'may not begin at %p',
    offset => {
      expect(read({ 'x-stream-offset': offset })).toThrow(ArgumentError)
      expect(read({ 'x-stream-offset': offset })).toThrow(
        "arguments['x-stream-offset'] must be 'first', 'last'",
      )
    },
  )

  test.each([double(5), float(5), decimal(5, 1), Buffer.from('frist')])(
    'may not begin at a value of a type that is no offset: %p',
    offset => {
      expect(read({ 'x-stream-offset': offset })).toThrow(ArgumentError)
    },
  )

  test('may filter by a text, or by several', () => {
    expect(read({ 'x-stream-filter': 'one' })).not.toThrow()
    expect(read({ 'x-stream-filter': ['one', 'two'] })).not.toThrow()
    for (const filter of [5, [5], ['one', null], { one: 1 }]) {
      expect(read({ 'x-stream-filter': filter })).toThrow("arguments['x-stream-filter'] must be a string")
    }
  })
})
