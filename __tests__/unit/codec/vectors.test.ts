/** Covers the bytes of methods as the protocol has them, written by hand and not by our encoder. */
import { describe, expect, test } from '@jest/globals'
import {
  encodeConnectionStartOk,
  type MethodCodec,
  type MethodName,
  methods,
} from '../../../src/codec/methods.gen.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'

/** Class id and method id of every method, from the protocol's documents. */
const ids: Record<MethodName, [number, number]> = {
  'connection.start': [10, 10],
  'connection.start-ok': [10, 11],
  'connection.secure': [10, 20],
  'connection.secure-ok': [10, 21],
  'connection.tune': [10, 30],
  'connection.tune-ok': [10, 31],
  'connection.open': [10, 40],
  'connection.open-ok': [10, 41],
  'connection.close': [10, 50],
  'connection.close-ok': [10, 51],
  'connection.blocked': [10, 60],
  'connection.unblocked': [10, 61],
  'connection.update-secret': [10, 70],
  'connection.update-secret-ok': [10, 71],
  'channel.open': [20, 10],
  'channel.open-ok': [20, 11],
  'channel.flow': [20, 20],
  'channel.flow-ok': [20, 21],
  'channel.close': [20, 40],
  'channel.close-ok': [20, 41],
  'exchange.declare': [40, 10],
  'exchange.declare-ok': [40, 11],
  'exchange.delete': [40, 20],
  'exchange.delete-ok': [40, 21],
  'exchange.bind': [40, 30],
  'exchange.bind-ok': [40, 31],
  'exchange.unbind': [40, 40],
  'exchange.unbind-ok': [40, 51],
  'queue.declare': [50, 10],
  'queue.declare-ok': [50, 11],
  'queue.bind': [50, 20],
  'queue.bind-ok': [50, 21],
  'queue.purge': [50, 30],
  'queue.purge-ok': [50, 31],
  'queue.delete': [50, 40],
  'queue.delete-ok': [50, 41],
  'queue.unbind': [50, 50],
  'queue.unbind-ok': [50, 51],
  'basic.qos': [60, 10],
  'basic.qos-ok': [60, 11],
  'basic.consume': [60, 20],
  'basic.consume-ok': [60, 21],
  'basic.cancel': [60, 30],
  'basic.cancel-ok': [60, 31],
  'basic.publish': [60, 40],
  'basic.return': [60, 50],
  'basic.deliver': [60, 60],
  'basic.get': [60, 70],
  'basic.get-ok': [60, 71],
  'basic.get-empty': [60, 72],
  'basic.ack': [60, 80],
  'basic.reject': [60, 90],
  'basic.recover-async': [60, 100],
  'basic.recover': [60, 110],
  'basic.recover-ok': [60, 111],
  'basic.nack': [60, 120],
  'confirm.select': [85, 10],
  'confirm.select-ok': [85, 11],
  'tx.select': [90, 10],
  'tx.select-ok': [90, 11],
  'tx.commit': [90, 20],
  'tx.commit-ok': [90, 21],
  'tx.rollback': [90, 30],
  'tx.rollback-ok': [90, 31],
}

const text = (value: string): string => Buffer.from(value).toString('hex')

/** Name, arguments, bytes in hexadecimal; spaces stand between fields. */
const vectors: [MethodName, object, string][] = [
  [
    'connection.start',
    {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: { product: 'R' },
      mechanisms: Buffer.from('PLAIN'),
      locales: Buffer.from('en_US'),
    },
    `000a000a 00 09 0000000e 07${text('product')} 53 00000001 52 00000005${text('PLAIN')} 00000005${text('en_US')}`,
  ],
  [
    'connection.start-ok',
    { clientProperties: {}, mechanism: 'PLAIN', response: Buffer.from('\0u\0p'), locale: 'en_US' },
    `000a000b 00000000 05${text('PLAIN')} 00000004 00750070 05${text('en_US')}`,
  ],
  ['connection.tune', { channelMax: 2047, frameMax: 131_072, heartbeat: 60 }, '000a001e 07ff 00020000 003c'],
  ['connection.tune-ok', { channelMax: 65_535, frameMax: 4096, heartbeat: 0 }, '000a001f ffff 00001000 0000'],
  ['connection.open', { virtualHost: '/' }, '000a0028 01 2f 00 00'],
  ['connection.open-ok', {}, '000a0029 00'],
  [
    'connection.close',
    { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 },
    `000a0032 0140 11${text('CONNECTION_FORCED')} 0000 0000`,
  ],
  ['connection.close-ok', {}, '000a0033'],
  ['connection.blocked', { reason: 'low on memory' }, `000a003c 0d${text('low on memory')}`],
  ['connection.unblocked', {}, '000a003d'],
  [
    'connection.update-secret',
    { newSecret: Buffer.from('token'), reason: 'expiry' },
    `000a0046 00000005${text('token')} 06${text('expiry')}`,
  ],
  ['connection.update-secret-ok', {}, '000a0047'],
  ['channel.open', {}, '0014000a 00'],
  ['channel.open-ok', {}, '0014000b 00000000'],
  ['channel.flow', { active: true }, '00140014 01'],
  ['channel.flow-ok', { active: false }, '00140015 00'],
  [
    'channel.close',
    { replyCode: 404, replyText: 'NOT_FOUND', classId: 50, methodId: 10 },
    `00140028 0194 09${text('NOT_FOUND')} 0032 000a`,
  ],
  [
    'exchange.declare',
    {
      exchange: 'e',
      type: 'topic',
      passive: false,
      durable: true,
      autoDelete: false,
      internal: true,
      noWait: false,
      arguments: {},
    },
    `0028000a 0000 01 65 05${text('topic')} 0a 00000000`,
  ],
  ['exchange.delete', { exchange: 'e', ifUnused: true, noWait: false }, '00280014 0000 01 65 01'],
  [
    'exchange.bind',
    { destination: 'd', source: 's', routingKey: '#', noWait: false, arguments: {} },
    '0028001e 0000 01 64 01 73 01 23 00 00000000',
  ],
  [
    'exchange.unbind',
    { destination: 'd', source: 's', routingKey: '', noWait: true, arguments: {} },
    '00280028 0000 01 64 01 73 00 01 00000000',
  ],
  ['exchange.unbind-ok', {}, '00280033'],
  [
    'queue.declare',
    {
      queue: 'q',
      passive: true,
      durable: false,
      exclusive: true,
      autoDelete: false,
      noWait: true,
      arguments: { 'x-max-length': 10 },
    },
    `0032000a 0000 01 71 15 00000012 0c${text('x-max-length')} 49 0000000a`,
  ],
  [
    'queue.declare',
    {
      queue: '',
      passive: false,
      durable: true,
      exclusive: false,
      autoDelete: true,
      noWait: false,
      arguments: {},
    },
    '0032000a 0000 00 0a 00000000',
  ],
  [
    'queue.declare-ok',
    { queue: 'tâche', messageCount: 258, consumerCount: 1 },
    '0032000b 06 74c3a2636865 00000102 00000001',
  ],
  [
    'queue.bind',
    { queue: 'q', exchange: 'x', routingKey: 'k', noWait: false, arguments: {} },
    '00320014 0000 01 71 01 78 01 6b 00 00000000',
  ],
  [
    'queue.unbind',
    { queue: 'q', exchange: 'x', routingKey: 'k', arguments: {} },
    '00320032 0000 01 71 01 78 01 6b 00000000',
  ],
  ['queue.purge', { queue: 'q', noWait: false }, '0032001e 0000 01 71 00'],
  ['queue.delete', { queue: 'q', ifUnused: false, ifEmpty: true, noWait: false }, '00320028 0000 01 71 02'],
  ['queue.delete-ok', { messageCount: 4_294_967_295 }, '00320029 ffffffff'],
  ['basic.qos', { prefetchSize: 0, prefetchCount: 100, global: false }, '003c000a 00000000 0064 00'],
  [
    'basic.consume',
    {
      queue: 'q',
      consumerTag: 't',
      noLocal: true,
      noAck: false,
      exclusive: true,
      noWait: false,
      arguments: {},
    },
    '003c0014 0000 01 71 01 74 05 00000000',
  ],
  ['basic.cancel', { consumerTag: 't', noWait: true }, '003c001e 01 74 01'],
  [
    'basic.publish',
    { exchange: '', routingKey: 'tasks', mandatory: true, immediate: false },
    `003c0028 0000 00 05${text('tasks')} 01`,
  ],
  [
    'basic.return',
    { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'k' },
    `003c0032 0138 08${text('NO_ROUTE')} 00 01 6b`,
  ],
  [
    'basic.deliver',
    { consumerTag: 'c', deliveryTag: 2 ** 32 + 1, redelivered: true, exchange: 'x', routingKey: 'k' },
    '003c003c 01 63 0000000100000001 01 01 78 01 6b',
  ],
  ['basic.get', { queue: 'q', noAck: true }, '003c0046 0000 01 71 01'],
  [
    'basic.get-ok',
    { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 7 },
    '003c0047 0000000000000001 00 00 01 71 00000007',
  ],
  ['basic.get-empty', {}, '003c0048 00'],
  ['basic.ack', { deliveryTag: 9_007_199_254_740_991, multiple: true }, '003c0050 001fffffffffffff 01'],
  ['basic.reject', { deliveryTag: 3, requeue: true }, '003c005a 0000000000000003 01'],
  ['basic.recover', { requeue: true }, '003c006e 01'],
  ['basic.nack', { deliveryTag: 3, multiple: false, requeue: true }, '003c0078 0000000000000003 02'],
  ['basic.nack', { deliveryTag: 3, multiple: true, requeue: false }, '003c0078 0000000000000003 01'],
  ['confirm.select', { noWait: false }, '0055000a 00'],
  ['confirm.select-ok', {}, '0055000b'],
  ['tx.select', {}, '005a000a'],
  ['tx.rollback-ok', {}, '005a001f'],
]

test('every method has the ids that the protocol gives it, and there are no others', () => {
  const ours = Object.values(methods).map(({ name, id }) => [name, [id >>> 16, id & 0xffff]])
  expect(Object.fromEntries(ours)).toEqual(ids)
})

test('the methods that carry content are publish, return, deliver and get-ok', () => {
  const carriers = Object.values(methods).filter(({ content }) => content)
  expect(carriers.map(({ name }) => name)).toEqual([
    'basic.publish',
    'basic.return',
    'basic.deliver',
    'basic.get-ok',
  ])
})

test('a get is answered by get-ok or get-empty', () => {
  expect(methods['basic.get'].replies).toEqual([0x003c0047, 0x003c0048])
})

describe.each(vectors)('%s', (name, args, spaced) => {
  const bytes = Buffer.from(spaced.replaceAll(' ', ''), 'hex')
  const codec = methods[name] as MethodCodec

  test(`is written as ${spaced.slice(0, 40)}`, () => {
    const writer = new Writer(16)
    codec.encode(writer, args as never)
    expect(writer.unit().toString('hex')).toBe(bytes.toString('hex'))
  })

  test(`is read from ${spaced.slice(0, 40)}`, () => {
    const reader = new Reader(bytes, 4)
    expect(codec.decode(reader)).toEqual(args)
    expect(reader.remaining).toBe(0)
  })
})

test('bits that the protocol does not define are not looked at', () => {
  expect(methods['basic.ack'].decode(new Reader(Buffer.from('0000000000000001fe', 'hex')))).toEqual({
    deliveryTag: 1,
    multiple: false,
  })
})

test('a long string may be given as text', () => {
  const writer = new Writer(16)
  encodeConnectionStartOk(writer, { clientProperties: {}, mechanism: '', response: 'é', locale: '' })
  expect(writer.unit().toString('hex')).toBe('000a000b' + '00000000' + '00' + '00000002c3a9' + '00')
})
