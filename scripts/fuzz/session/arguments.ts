/** Owns calls of the client with one argument, or one option, that no type allows: `basicPublish 3.userId symbol`. */
import { Client } from '../../../src/client/client.js'
import type { Random } from '../random.js'
import { ABORTED } from './ledger.js'

/** Values by name; each is made anew. */
const values: Readonly<Record<string, () => unknown>> = {
  symbol: () => Symbol('s'),
  null: () => null,
  undefined: () => undefined,
  bigint: () => 2n ** 70n,
  nan: () => Number.NaN,
  infinite: () => Number.POSITIVE_INFINITY,
  negative: () => -1,
  fraction: () => 1.5,
  zero: () => 0,
  huge: () => 2 ** 60,
  true: () => true,
  empty: () => '',
  text: () => 'text',
  long: () => 'x'.repeat(300),
  'very-long': () => 'x'.repeat(200_000),
  halves: () => '\ud800',
  object: () => ({ a: 1 }),
  bare: () => Object.create(null),
  circle: () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    return circle
  },
  array: () => ['a', Symbol('s')],
  sparse: () => new Array(3),
  function: () => () => ABORTED,
  date: () => new Date(Number.NaN),
  bytes: () => new Uint8Array(3),
  proxy: () => new Proxy({}, {}),
  // What throws the user's own error gives it back to the user.
  getters: () => rude({ enumerable: true, get: rudely }),
  words: () => rude({ value: rudely }),
}

const METHODS: Readonly<Record<string, readonly unknown[]>> = {
  basicPublish: ['', 'q', 'body', {}],
  publishMany: [[{ exchange: '', routingKey: 'q', body: 'body' }], {}],
  basicGet: ['q', {}],
  basicConsume: ['q', {}],
  basicConsumeMulti: [['q'], {}],
  queueDeclare: ['q', {}],
  queueBind: ['q', 'e', 'k', {}],
  queueUnbind: ['q', 'e', 'k', {}],
  queuePurge: ['q', {}],
  queueDelete: ['q', {}],
  exchangeDeclare: ['e', {}],
  exchangeBind: ['e', 'f', 'k', {}],
  exchangeUnbind: ['e', 'f', 'k', {}],
  exchangeDelete: ['e', {}],
  basicQos: [undefined, 1],
  basicCancel: [undefined],
  basicAck: [undefined, {}],
  updateSecret: ['secret', 'reason'],
  client: ['amqp://fuzz', {}],
}

const MESSAGE = [
  ...['contentType', 'contentEncoding', 'deliveryMode', 'priority', 'correlationId', 'replyTo', 'expiration'],
  ...[
    'messageId',
    'timestamp',
    'type',
    'userId',
    'appId',
    'clusterId',
    'headers',
    'mandatory',
    'persistent',
    'retry',
  ],
  ...['confirm', 'headers.a', 'headers.CC', 'headers.x-stream-filter-value', 'signal', 'timeout'],
]
const DECLARE = [
  'passive',
  'durable',
  'exclusive',
  'autoDelete',
  'internal',
  'type',
  'arguments',
  'arguments.a',
]
const CONSUME = [
  'noLocal',
  'exclusive',
  'consumerTag',
  'arguments',
  'arguments.x-stream-offset',
  'prefetchCount',
]
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  basicPublish: MESSAGE,
  publishMany: ['window', 'signal', 'onError'],
  basicConsume: [...CONSUME, 'noAck', 'signal', 'onCancel', 'onLeave', 'oversized'],
  basicConsumeMulti: ['prefetchCount', 'noAck', 'signal', 'onCancel', 'onLeave', 'oversized'],
  basicGet: ['noAck', 'signal', 'timeout'],
  client: [
    ...[
      'hosts',
      'path',
      'tls',
      'username',
      'password',
      'vhost',
      'mechanism',
      'connectionName',
      'clientProperties',
    ],
    ...[
      'connectTimeout',
      'heartbeat',
      'frameMax',
      'channelMax',
      'operationConcurrency',
      'maxPendingOperations',
    ],
    ...['maxPendingPublishes', 'maxPendingPublishBytes', 'maxMessageSize', 'publishConnection', 'hostOrder'],
    ...['recovery', 'recovery.factor', 'recovery.maxDelay', 'retryInitial', 'whileOffline', 'transport'],
    ...['publishDefaults', 'publishDefaults.messageId', 'publishDefaults.appId', 'publishDefaults.timestamp'],
  ],
}

/** A call as words. */
export function oddCall(random: Random): string {
  const method = random.pick(Object.keys(METHODS))
  const last = (METHODS[method] ?? []).length - 1
  const options = OPTIONS[method] ?? [...DECLARE, 'ifUnused', 'ifEmpty', 'signal', 'timeout']
  const path = random.chance(70) ? `${last}.${random.pick(options)}` : `${random.below(last + 1)}`
  return `with ${method} ${path} ${random.pick(Object.keys(values))}`
}

/** Makes the call. */
export function callWith(client: Client, [method = '', path = '', name = '']: readonly string[]): unknown {
  const [index = '0', ...options] = path.split('.')
  const args = [...(METHODS[method] ?? [])]
  const at = Number(index) || 0
  args[at] = placed(args[at], options, values[name]?.())
  if (method === 'client') return new Client(...(args as ConstructorParameters<typeof Client>)).close()
  if (!(method in METHODS)) return undefined
  const call = client[method as keyof Client] as (...args: readonly unknown[]) => unknown
  return call.apply(client, args)
}

/** The value itself, or an object in which it has a place of its own. */
function placed(around: unknown, [name, ...deeper]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value
  const inner = typeof around === 'object' && around !== null ? Reflect.get(around, name) : undefined
  return { ...(around as object), [name]: placed(inner ?? {}, deeper, value) }
}

function rude(property: PropertyDescriptor): unknown {
  return Object.defineProperties({}, { toString: property, valueOf: property, a: property, queue: property })
}

function rudely(): never {
  throw ABORTED
}
