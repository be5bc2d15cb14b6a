/** Covers the record of what a client has declared: what enters it, what leaves it, and new names of queues. */
import { describe, expect, test } from '@jest/globals'
import { type FieldValue, short } from '../../../src/index.js'
import { TopologyRecord } from '../../../src/recovery/topology-record.js'

function queue(name: string, more: object = {}) {
  const args = {
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  }
  return { queue: name, ...args, ...more }
}

function exchange(name: string, more: object = {}) {
  const args = {
    type: 'direct',
    passive: false,
    durable: true,
    autoDelete: false,
    internal: false,
    noWait: false,
  }
  return { exchange: name, ...args, arguments: {}, ...more }
}

function queueBinding(name: string, source: string, routingKey = '', args: Record<string, string> = {}) {
  return { queue: name, exchange: source, routingKey, noWait: false, arguments: args }
}

function exchangeBinding(destination: string, source: string, routingKey = '') {
  return { destination, source, routingKey, noWait: false, arguments: {} }
}

function queueNames(record: TopologyRecord): string[] {
  return record.queues.map(([name]) => name)
}

describe('the record of topology', () => {
  test('holds what was declared, once, the last declaration counting', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue('q'), 'q')
    record.queueDeclared(queue('q', { durable: false }), 'q')
    record.exchangeDeclared(exchange('e'))
    record.queueBound(queueBinding('q', 'e', 'k'))
    record.queueBound(queueBinding('q', 'e', 'k'))
    record.queueBound(queueBinding('q', 'e', 'k', { 'x-match': 'any' }))
    expect(record.size).toBe(4)
    expect(record.queues).toMatchObject([['q', { args: { durable: false }, serverNamed: false }]])
  })

  test("holds no passive declaration, and none of the broker's own exchanges", () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue('q', { passive: true }), 'q')
    record.exchangeDeclared(exchange('e', { passive: true }))
    record.exchangeDeclared(exchange('amq.topic'))
    record.exchangeDeclared(exchange(''))
    expect(record.size).toBe(0)
  })

  test('forgets what was deleted, with its bindings', () => {
    const record = new TopologyRecord()
    for (const name of ['a', 'b']) record.queueDeclared(queue(name), name)
    for (const name of ['e', 'f']) record.exchangeDeclared(exchange(name))
    record.queueBound(queueBinding('a', 'e'))
    record.queueBound(queueBinding('b', 'e'))
    record.queueBound(queueBinding('b', 'f'))
    record.exchangeBound(exchangeBinding('e', 'f'))
    record.queueDeleted('a')
    expect(record.queueBindings.map(binding => binding.queue)).toEqual(['b', 'b'])
    record.exchangeDeleted('e')
    expect(record.queueBindings.map(binding => binding.exchange)).toEqual(['f'])
    expect(record.exchangeBindings).toEqual([])
    expect(queueNames(record)).toEqual(['b'])
  })

  test('forgets the one binding that was undone', () => {
    const record = new TopologyRecord()
    record.queueBound(queueBinding('q', 'e', 'k'))
    record.queueBound(queueBinding('q', 'e', 'k', { a: 'b' }))
    record.queueUnbound(queueBinding('q', 'e', 'k', { a: 'b' }))
    record.exchangeBound(exchangeBinding('d', 's', 'k'))
    record.exchangeUnbound(exchangeBinding('d', 's', 'other'))
    expect(record.queueBindings).toEqual([queueBinding('q', 'e', 'k')])
    expect(record.exchangeBindings).toHaveLength(1)
    record.exchangeUnbound(exchangeBinding('d', 's', 'k'))
    expect(record.exchangeBindings).toEqual([])
  })

  test('knows a binding by its arguments, in whatever order, and of whatever type', () => {
    const record = new TopologyRecord()
    const bound = (args: Record<string, FieldValue>) => ({ ...queueBinding('q', 'e', 'k'), arguments: args })
    record.queueBound(bound({ a: 1, b: 'x' }))
    record.queueBound(bound({ b: 'x', a: 1 }))
    expect(record.queueBindings).toHaveLength(1)
    for (const a of [1n, '1', short(1), [1], null]) record.queueUnbound(bound({ a, b: 'x' }))
    expect(record.queueBindings).toHaveLength(1)
    record.queueUnbound(bound({ b: 'x', a: 1 }))
    expect(record.size).toBe(0)
  })

  test('is empty again after 10,000 queues and exchanges have come and gone', () => {
    const record = new TopologyRecord()
    let most = 0
    for (let index = 0; index < 10_000; index++) {
      const [name, source] = [`q${index}`, `e${index}`]
      record.queueDeclared(queue(name, { autoDelete: index % 3 === 0 }), name)
      record.exchangeDeclared(exchange(source, { autoDelete: index % 2 === 0 }))
      record.queueBound(queueBinding(name, source))
      record.exchangeBound(exchangeBinding(source, 'amq.topic'))
      record.consumerAdded(name)
      most = Math.max(most, record.size)
      record.consumerRemoved(name, true)
      record.queueDeleted(name)
      record.exchangeDeleted(source)
    }
    expect(most).toBe(4)
    expect(record.size).toBe(0)
  })

  test('follows an auto-delete queue to its end, with the last consumer', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue('q', { autoDelete: true }), 'q')
    record.queueDeclared(queue('kept'), 'kept')
    for (const name of ['q', 'q', 'kept']) record.consumerAdded(name)
    for (const name of ['q', 'kept']) record.consumerRemoved(name, true)
    expect(queueNames(record)).toEqual(['q', 'kept'])
    record.consumerRemoved('q', true)
    expect(queueNames(record)).toEqual(['kept'])
  })

  test('keeps an auto-delete queue whose consumers never began: the broker keeps it, too', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue('q', { autoDelete: true }), 'q')
    record.consumerAdded('q')
    record.consumerRemoved('q', false)
    expect(queueNames(record)).toEqual(['q'])
  })

  test('follows auto-delete exchanges to their end, one after the other, with the last binding', () => {
    const record = new TopologyRecord()
    for (const name of ['a', 'b']) record.exchangeDeclared(exchange(name, { autoDelete: true }))
    record.queueDeclared(queue('q'), 'q')
    record.exchangeBound(exchangeBinding('b', 'a'))
    record.queueBound(queueBinding('q', 'b', '1'))
    record.queueBound(queueBinding('q', 'b', '2'))
    record.queueUnbound(queueBinding('q', 'b', '1'))
    expect(record.exchanges).toHaveLength(2)
    record.queueUnbound(queueBinding('q', 'b', '2'))
    expect(record.exchanges).toEqual([])
    expect(record.exchangeBindings).toEqual([])
  })
})

describe('a queue that expires', () => {
  const expiring = (name: string, expires: FieldValue = 1000, more: object = {}) =>
    queue(name, { arguments: { 'x-expires': expires }, ...more })

  /** A record, and its clock. */
  function start() {
    const clock = { time: 5000 }
    return { clock, record: new TopologyRecord(() => clock.time) }
  }

  test.each([1000, 1000n, short(1000)])(
    'is on record while it was declared within its time (%p), with what binds it',
    expires => {
      const { clock, record } = start()
      record.queueDeclared(expiring('q', expires), 'q')
      record.queueDeclared(queue('kept'), 'kept')
      for (const name of ['q', 'kept']) record.queueBound(queueBinding(name, 'e'))
      clock.time += 999
      expect(queueNames(record)).toEqual(['q', 'kept'])
      clock.time += 1
      expect(record.queueBindings.map(({ queue: name }) => name)).toEqual(['kept'])
      expect(queueNames(record)).toEqual(['kept'])
    },
  )

  test.each<[string, (record: TopologyRecord) => void]>([
    ['it is declared again', record => record.queueDeclared(expiring('q'), 'q')],
    ['it is asked for', record => record.queueDeclared(expiring('q', 1000, { passive: true }), 'q')],
    ['a message is got from it', record => record.queueGot('q')],
    [
      'its consumer has ended',
      record => {
        record.consumerAdded('q')
        record.consumerRemoved('q', true)
      },
    ],
  ])('has all its time again when %s', (_, use) => {
    const { clock, record } = start()
    record.queueDeclared(expiring('q'), 'q')
    clock.time += 900
    use(record)
    clock.time += 999
    expect(queueNames(record)).toEqual(['q'])
    clock.time += 1
    expect(queueNames(record)).toEqual([])
  })

  test('stays on record while it has a consumer, also one that was made before it was declared', () => {
    const { clock, record } = start()
    record.consumerAdded('q')
    record.queueDeclared(expiring('q'), 'q')
    record.consumerAdded('q')
    clock.time += 10_000
    record.consumerRemoved('q', true)
    clock.time += 10_000
    expect(queueNames(record)).toEqual(['q'])
    record.consumerRemoved('q', true)
    clock.time += 1000
    expect(queueNames(record)).toEqual([])
  })

  test('is not in use by a consumer that was refused', () => {
    const { clock, record } = start()
    record.queueDeclared(expiring('q'), 'q')
    record.consumerAdded('q')
    clock.time += 900
    record.consumerRemoved('q', false)
    clock.time += 100
    expect(queueNames(record)).toEqual([])
  })

  test('goes at once when its consumer has ended since the broker has no such queue; a lasting one stays', () => {
    const { record } = start()
    record.queueDeclared(expiring('q'), 'q')
    record.queueDeclared(queue('lasting'), 'lasting')
    for (const name of ['q', 'lasting']) {
      record.consumerAdded(name)
      record.consumerRemoved(name, true, true)
    }
    expect(queueNames(record)).toEqual(['lasting'])
  })

  test('keeps its consumers where it is deleted and declared again', () => {
    const { clock, record } = start()
    record.queueDeclared(expiring('q'), 'q')
    record.consumerAdded('q')
    record.queueDeleted('q')
    record.queueDeclared(expiring('q'), 'q')
    clock.time += 10_000
    expect(queueNames(record)).toEqual(['q'])
  })

  test('keeps its time where the broker gives it another name', () => {
    const { clock, record } = start()
    record.queueDeclared(expiring(''), 'first')
    record.queueBound(queueBinding('first', 'e'))
    clock.time += 600
    record.renameQueue('first', 'second')
    clock.time += 300
    expect(queueNames(record)).toEqual(['second'])
    record.queueGot('first')
    clock.time += 999
    expect(queueNames(record)).toEqual(['second'])
    clock.time += 1
    expect(queueNames(record)).toEqual([])
    expect(record.size).toBe(0)
    expect(record.nameOf('first')).toBe('first')
  })

  test('takes auto-delete exchanges along, one after the other', () => {
    const { clock, record } = start()
    for (const name of ['a', 'b', 'used']) record.exchangeDeclared(exchange(name, { autoDelete: true }))
    record.exchangeBound(exchangeBinding('b', 'a'))
    record.queueDeclared(expiring('q'), 'q')
    record.queueBound(queueBinding('q', 'b'))
    record.queueBound(queueBinding('q', 'used'))
    record.queueBound(queueBinding('other', 'used'))
    clock.time += 1000
    expect(record.exchanges.map(({ exchange: name }) => name)).toEqual(['used'])
    expect(record.exchangeBindings).toEqual([])
  })

  test('leaves the record as others enter it: one for each request, and nothing grows', () => {
    const { clock, record } = start()
    record.queueDeclared(queue('lasting'), 'lasting')
    let most = 0
    for (let index = 0; index < 20_000; index++) {
      clock.time += 100
      record.queueDeclared(expiring('', 1000), `amq.gen-${index}`)
      record.queueBound(queueBinding(`amq.gen-${index}`, 'e'))
      most = Math.max(most, record.size)
    }
    // Ten of them, and their bindings, have not expired at any time.
    expect(most).toBeLessThan(150)
    expect(queueNames(record)).toHaveLength(11)
  })
})

describe('a queue that the broker named', () => {
  test('is that also when it is declared again by its name', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue(''), 'amq.gen-1')
    record.renameQueue('amq.gen-1', 'amq.gen-2')
    record.queueDeclared(queue('amq.gen-2'), 'amq.gen-2')
    expect(record.queue('amq.gen-2')).toMatchObject({ serverNamed: true, formerNames: ['amq.gen-1'] })
    record.queueDeleted('amq.gen-1')
    expect(record.nameOf('amq.gen-1')).toBe('amq.gen-1')
  })

  test('goes by its new name everywhere, and is found by every name that it had', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue('', { autoDelete: true }), 'amq.gen-1')
    record.queueBound(queueBinding('amq.gen-1', 'e', 'k'))
    record.consumerAdded('amq.gen-1')
    record.renameQueue('amq.gen-1', 'amq.gen-2')
    record.renameQueue('amq.gen-2', 'amq.gen-3')
    expect(record.queues).toMatchObject([['amq.gen-3', { args: { queue: 'amq.gen-3' }, serverNamed: true }]])
    expect(record.queueBindings).toEqual([queueBinding('amq.gen-3', 'e', 'k')])
    for (const name of ['amq.gen-1', 'amq.gen-2', 'amq.gen-3']) expect(record.nameOf(name)).toBe('amq.gen-3')
    record.consumerRemoved('amq.gen-1', true)
    expect(record.size).toBe(0)
    expect(record.nameOf('amq.gen-1')).toBe('amq.gen-1')
  })

  test('is known by its first name, and by its last ones, however often it gets another', () => {
    const record = new TopologyRecord()
    record.queueDeclared(queue(''), 'name-0')
    for (let index = 1; index <= 1000; index++) record.renameQueue(`name-${index - 1}`, `name-${index}`)
    for (const index of [0, 993, 999, 1000]) expect(record.nameOf(`name-${index}`)).toBe('name-1000')
    expect(record.queue('name-1000')?.formerNames).toHaveLength(8)
    // What is not known any more means itself.
    expect(record.nameOf('name-500')).toBe('name-500')
    record.queueDeleted('name-0')
    expect(record.nameOf('name-0')).toBe('name-0')
    expect(record.nameOf('name-999')).toBe('name-999')
  })

  test('leaves nothing behind when queues come and go', () => {
    const record = new TopologyRecord()
    for (let index = 0; index < 100; index++) {
      record.queueDeclared(queue(''), `amq.gen-${index}`)
      record.queueBound(queueBinding(`amq.gen-${index}`, 'e'))
      record.renameQueue(`amq.gen-${index}`, `new-${index}`)
      record.queueDeleted(`amq.gen-${index}`)
    }
    expect(record.size).toBe(0)
  })
})

describe('an auto-delete exchange that nothing of this client binds any more', () => {
  function unbound(): TopologyRecord {
    const record = new TopologyRecord()
    record.exchangeDeclared(exchange('e', { autoDelete: true, type: 'fanout' }))
    record.queueBound(queueBinding('q', 'e'))
    record.queueUnbound(queueBinding('q', 'e'))
    expect(record.exchanges).toEqual([])
    return record
  }

  test.each<[string, (record: TopologyRecord) => void]>([
    ['a queue is bound to it', record => record.queueBound(queueBinding('other', 'e'))],
    ['an exchange is bound to it', record => record.exchangeBound(exchangeBinding('other', 'e'))],
    ['it is bound to an exchange', record => record.exchangeBound(exchangeBinding('e', 'other'))],
  ])('is on record again where the broker still has it: %s', (_, bind) => {
    const record = unbound()
    bind(record)
    expect(record.exchanges).toEqual([exchange('e', { autoDelete: true, type: 'fanout' })])
  })

  test('stays away where this client has deleted it, and somebody else has declared it', () => {
    const record = unbound()
    record.exchangeDeleted('e')
    record.queueBound(queueBinding('q', 'e'))
    expect(record.exchanges).toEqual([])
  })

  test('is forgotten behind a thousand others', () => {
    const record = unbound()
    for (let index = 0; index < 1000; index++) {
      record.exchangeDeclared(exchange(`e${index}`, { autoDelete: true }))
      record.queueBound(queueBinding('q', `e${index}`))
      record.queueUnbound(queueBinding('q', `e${index}`))
    }
    record.queueBound(queueBinding('q', 'e'))
    record.queueBound(queueBinding('q', 'e0'))
    expect(record.exchanges.map(({ exchange }) => exchange)).toEqual(['e0'])
  })
})
