/**
 * Owns the protocol as a table: AMQP 0-9-1 with RabbitMQ's extensions, in the protocol's own words. Everything in
 * `src/codec/` is generated from it. Knows nothing of TypeScript code.
 */

/** How a field lies on the wire. */
export type WireType =
  | 'bit'
  | 'octet'
  | 'short'
  | 'long'
  | 'longlong'
  | 'shortstr'
  | 'longstr'
  | 'timestamp'
  | 'table'

/** Who may send a method. */
export type Sender = 'client' | 'server' | 'both'

export interface FieldSpec {
  readonly name: string
  /** The domain's name, or that of a bare wire type. */
  readonly domain: string
  readonly type: WireType
  /** Sent as zero or empty, and not looked at. */
  readonly reserved: boolean
}

export interface MethodSpec {
  readonly id: number
  readonly name: string
  readonly sender: Sender
  /** A content header and a body follow it. */
  readonly content: boolean
  /** The names of the methods that may answer it; all of its own class. */
  readonly replies: readonly string[]
  readonly fields: readonly FieldSpec[]
}

export interface ClassSpec {
  readonly id: number
  readonly name: string
  readonly methods: readonly MethodSpec[]
}

export interface ReplyCodeSpec {
  readonly name: string
  readonly code: number
  /** A soft error ends its channel, a hard error its connection; `none` is not an error. */
  readonly severity: 'none' | 'soft' | 'hard'
}

/** Names that the protocol gives to types. */
export const domains: Readonly<Record<string, WireType>> = {
  'class-id': 'short',
  'consumer-tag': 'shortstr',
  'delivery-tag': 'longlong',
  'exchange-name': 'shortstr',
  'message-count': 'long',
  'method-id': 'short',
  'no-ack': 'bit',
  'no-local': 'bit',
  'no-wait': 'bit',
  path: 'shortstr',
  'peer-properties': 'table',
  'queue-name': 'shortstr',
  redelivered: 'bit',
  'reply-code': 'short',
  'reply-text': 'shortstr',
  bit: 'bit',
  octet: 'octet',
  short: 'short',
  long: 'long',
  longlong: 'longlong',
  shortstr: 'shortstr',
  longstr: 'longstr',
  timestamp: 'timestamp',
  table: 'table',
}

export const replyCodes: readonly ReplyCodeSpec[] = [
  { name: 'reply-success', code: 200, severity: 'none' },
  { name: 'content-too-large', code: 311, severity: 'soft' },
  // In no constant of 0-9-1, but RabbitMQ's reply code in basic.return.
  { name: 'no-route', code: 312, severity: 'soft' },
  { name: 'no-consumers', code: 313, severity: 'soft' },
  { name: 'connection-forced', code: 320, severity: 'hard' },
  { name: 'invalid-path', code: 402, severity: 'hard' },
  { name: 'access-refused', code: 403, severity: 'soft' },
  { name: 'not-found', code: 404, severity: 'soft' },
  { name: 'resource-locked', code: 405, severity: 'soft' },
  { name: 'precondition-failed', code: 406, severity: 'soft' },
  { name: 'frame-error', code: 501, severity: 'hard' },
  { name: 'syntax-error', code: 502, severity: 'hard' },
  { name: 'command-invalid', code: 503, severity: 'hard' },
  { name: 'channel-error', code: 504, severity: 'hard' },
  { name: 'unexpected-frame', code: 505, severity: 'hard' },
  { name: 'resource-error', code: 506, severity: 'hard' },
  { name: 'not-allowed', code: 530, severity: 'hard' },
  { name: 'not-implemented', code: 540, severity: 'hard' },
  { name: 'internal-error', code: 541, severity: 'hard' },
]

const CLOSE = 'reply-code:reply-code reply-text:reply-text class-id:class-id method-id:method-id'
const TUNE = 'channel-max:short frame-max:long heartbeat:short'
const EXCHANGE_BINDING =
  'reserved-1:short destination:exchange-name source:exchange-name routing-key:shortstr no-wait:no-wait arguments:table'

export const classes: readonly ClassSpec[] = [
  {
    id: 10,
    name: 'connection',
    methods: [
      method(
        10,
        'start',
        'server',
        'version-major:octet version-minor:octet server-properties:peer-properties mechanisms:longstr locales:longstr',
        'start-ok',
      ),
      method(
        11,
        'start-ok',
        'client',
        'client-properties:peer-properties mechanism:shortstr response:longstr locale:shortstr',
      ),
      method(20, 'secure', 'server', 'challenge:longstr', 'secure-ok'),
      method(21, 'secure-ok', 'client', 'response:longstr'),
      method(30, 'tune', 'server', TUNE, 'tune-ok'),
      method(31, 'tune-ok', 'client', TUNE),
      method(40, 'open', 'client', 'virtual-host:path reserved-1:shortstr reserved-2:bit', 'open-ok'),
      method(41, 'open-ok', 'server', 'reserved-1:shortstr'),
      method(50, 'close', 'both', CLOSE, 'close-ok'),
      method(51, 'close-ok', 'both', ''),
      // RabbitMQ: memory and disk alarms, for clients that announce the capability.
      method(60, 'blocked', 'server', 'reason:shortstr'),
      method(61, 'unblocked', 'server', ''),
      // RabbitMQ: a token that expires is replaced on a connection that stays.
      method(70, 'update-secret', 'client', 'new-secret:longstr reason:shortstr', 'update-secret-ok'),
      method(71, 'update-secret-ok', 'server', ''),
    ],
  },
  {
    id: 20,
    name: 'channel',
    methods: [
      method(10, 'open', 'client', 'reserved-1:shortstr', 'open-ok'),
      method(11, 'open-ok', 'server', 'reserved-1:longstr'),
      method(20, 'flow', 'both', 'active:bit', 'flow-ok'),
      method(21, 'flow-ok', 'both', 'active:bit'),
      method(40, 'close', 'both', CLOSE, 'close-ok'),
      method(41, 'close-ok', 'both', ''),
    ],
  },
  {
    id: 40,
    name: 'exchange',
    methods: [
      method(
        10,
        'declare',
        'client',
        'reserved-1:short exchange:exchange-name type:shortstr passive:bit durable:bit auto-delete:bit internal:bit no-wait:no-wait arguments:table',
        'declare-ok',
      ),
      method(11, 'declare-ok', 'server', ''),
      method(
        20,
        'delete',
        'client',
        'reserved-1:short exchange:exchange-name if-unused:bit no-wait:no-wait',
        'delete-ok',
      ),
      method(21, 'delete-ok', 'server', ''),
      // RabbitMQ: bindings between exchanges. The gap before unbind-ok is RabbitMQ's own.
      method(30, 'bind', 'client', EXCHANGE_BINDING, 'bind-ok'),
      method(31, 'bind-ok', 'server', ''),
      method(40, 'unbind', 'client', EXCHANGE_BINDING, 'unbind-ok'),
      method(51, 'unbind-ok', 'server', ''),
    ],
  },
  {
    id: 50,
    name: 'queue',
    methods: [
      method(
        10,
        'declare',
        'client',
        'reserved-1:short queue:queue-name passive:bit durable:bit exclusive:bit auto-delete:bit no-wait:no-wait arguments:table',
        'declare-ok',
      ),
      method(11, 'declare-ok', 'server', 'queue:queue-name message-count:message-count consumer-count:long'),
      method(
        20,
        'bind',
        'client',
        'reserved-1:short queue:queue-name exchange:exchange-name routing-key:shortstr no-wait:no-wait arguments:table',
        'bind-ok',
      ),
      method(21, 'bind-ok', 'server', ''),
      method(30, 'purge', 'client', 'reserved-1:short queue:queue-name no-wait:no-wait', 'purge-ok'),
      method(31, 'purge-ok', 'server', 'message-count:message-count'),
      method(
        40,
        'delete',
        'client',
        'reserved-1:short queue:queue-name if-unused:bit if-empty:bit no-wait:no-wait',
        'delete-ok',
      ),
      method(41, 'delete-ok', 'server', 'message-count:message-count'),
      method(
        50,
        'unbind',
        'client',
        'reserved-1:short queue:queue-name exchange:exchange-name routing-key:shortstr arguments:table',
        'unbind-ok',
      ),
      method(51, 'unbind-ok', 'server', ''),
    ],
  },
  {
    id: 60,
    name: 'basic',
    methods: [
      method(10, 'qos', 'client', 'prefetch-size:long prefetch-count:short global:bit', 'qos-ok'),
      method(11, 'qos-ok', 'server', ''),
      method(
        20,
        'consume',
        'client',
        'reserved-1:short queue:queue-name consumer-tag:consumer-tag no-local:no-local no-ack:no-ack exclusive:bit no-wait:no-wait arguments:table',
        'consume-ok',
      ),
      method(21, 'consume-ok', 'server', 'consumer-tag:consumer-tag'),
      // RabbitMQ: the server sends it too, for example when a queue goes, and then waits for no answer.
      method(30, 'cancel', 'both', 'consumer-tag:consumer-tag no-wait:no-wait', 'cancel-ok'),
      method(31, 'cancel-ok', 'both', 'consumer-tag:consumer-tag'),
      content(
        method(
          40,
          'publish',
          'client',
          'reserved-1:short exchange:exchange-name routing-key:shortstr mandatory:bit immediate:bit',
        ),
      ),
      content(
        method(
          50,
          'return',
          'server',
          'reply-code:reply-code reply-text:reply-text exchange:exchange-name routing-key:shortstr',
        ),
      ),
      content(
        method(
          60,
          'deliver',
          'server',
          'consumer-tag:consumer-tag delivery-tag:delivery-tag redelivered:redelivered exchange:exchange-name routing-key:shortstr',
        ),
      ),
      method(70, 'get', 'client', 'reserved-1:short queue:queue-name no-ack:no-ack', 'get-ok get-empty'),
      content(
        method(
          71,
          'get-ok',
          'server',
          'delivery-tag:delivery-tag redelivered:redelivered exchange:exchange-name routing-key:shortstr message-count:message-count',
        ),
      ),
      method(72, 'get-empty', 'server', 'reserved-1:shortstr'),
      // RabbitMQ: the server sends it too, to confirm publishes; as it does nack.
      method(80, 'ack', 'both', 'delivery-tag:delivery-tag multiple:bit'),
      method(90, 'reject', 'client', 'delivery-tag:delivery-tag requeue:bit'),
      method(100, 'recover-async', 'client', 'requeue:bit'),
      method(110, 'recover', 'client', 'requeue:bit', 'recover-ok'),
      method(111, 'recover-ok', 'server', ''),
      method(120, 'nack', 'both', 'delivery-tag:delivery-tag multiple:bit requeue:bit'),
    ],
  },
  {
    id: 85,
    name: 'confirm',
    methods: [
      method(10, 'select', 'client', 'no-wait:no-wait', 'select-ok'),
      method(11, 'select-ok', 'server', ''),
    ],
  },
  {
    id: 90,
    name: 'tx',
    methods: [
      method(10, 'select', 'client', '', 'select-ok'),
      method(11, 'select-ok', 'server', ''),
      method(20, 'commit', 'client', '', 'commit-ok'),
      method(21, 'commit-ok', 'server', ''),
      method(30, 'rollback', 'client', '', 'rollback-ok'),
      method(31, 'rollback-ok', 'server', ''),
    ],
  },
]

/** The only class whose methods carry content. */
export const CONTENT_CLASS = 60

/** The properties of a content header in order: the first has the highest bit (15) of the flags. */
export const properties: readonly FieldSpec[] = fields(
  'content-type:shortstr content-encoding:shortstr headers:table delivery-mode:octet priority:octet ' +
    'correlation-id:shortstr reply-to:shortstr expiration:shortstr message-id:shortstr timestamp:timestamp ' +
    'type:shortstr user-id:shortstr app-id:shortstr cluster-id:shortstr',
)

function method(id: number, name: string, sender: Sender, fieldList: string, replies = ''): MethodSpec {
  return { id, name, sender, content: false, replies: words(replies), fields: fields(fieldList) }
}

function content(spec: MethodSpec): MethodSpec {
  return { ...spec, content: true }
}

function fields(list: string): FieldSpec[] {
  return words(list).map(word => {
    const [name = '', domain = ''] = word.split(':')
    const type = domains[domain]
    if (type === undefined) throw new Error(`the spec table names no domain '${domain}' (of field ${name})`)
    return { name, domain, type, reserved: name.startsWith('reserved-') }
  })
}

function words(text: string): string[] {
  return text.split(' ').filter(word => word !== '')
}
