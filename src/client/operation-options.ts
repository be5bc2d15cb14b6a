/** Owns the names of the options of each method, and the check that an object of options has no other ones. */
import type { ClientOptions } from '../client-options.js'
import type {
  AckOptions,
  BindOptions,
  ConsumeMultiOptions,
  ConsumeOptions,
  DrainOptions,
  ExchangeDeclareOptions,
  ExchangeDeleteOptions,
  ForEachOptions,
  GetOptions,
  MessageProperties,
  NackOptions,
  OperationOptions,
  PublishManyMessage,
  PublishManyOptions,
  PublishOptions,
  QueueConsumeOptions,
  QueueDeclareOptions,
  QueueDeleteOptions,
  RejectOptions,
} from '../options.js'
import { checkOptions } from '../util/check.js'
import { checkNames, namesOf } from '../util/option-names.js'

type Names<T> = Readonly<Record<keyof T, true>>

const ABORT: Names<OperationOptions> = { signal: true, timeout: true }

const BIND = namesOf<BindOptions>({ ...ABORT, arguments: true })

const PROPERTIES: Names<MessageProperties> = {
  contentType: true,
  contentEncoding: true,
  deliveryMode: true,
  priority: true,
  correlationId: true,
  replyTo: true,
  expiration: true,
  messageId: true,
  timestamp: true,
  type: true,
  userId: true,
  appId: true,
  clusterId: true,
}

const PUBLISH: Names<PublishOptions> = {
  ...ABORT,
  ...PROPERTIES,
  mandatory: true,
  confirm: true,
  persistent: true,
  retry: true,
  headers: true,
}

const CONSUME_MULTI: Names<ConsumeMultiOptions> = {
  prefetchCount: true,
  noAck: true,
  signal: true,
  onCancel: true,
  onLeave: true,
  oversized: true,
}

const QUEUE_CONSUME: Names<QueueConsumeOptions> = {
  noLocal: true,
  exclusive: true,
  consumerTag: true,
  arguments: true,
}

const NACK: Names<NackOptions> = { multiple: true, requeue: true }

/** The options of each method, by its name. */
const OPTIONS = {
  Client: namesOf<ClientOptions>({
    username: true,
    password: true,
    vhost: true,
    mechanism: true,
    connectionName: true,
    clientProperties: true,
    path: true,
    tls: true,
    connectTimeout: true,
    heartbeat: true,
    frameMax: true,
    channelMax: true,
    operationConcurrency: true,
    maxPendingOperations: true,
    maxPendingPublishBytes: true,
    maxPendingPublishes: true,
    publishConnection: true,
    maxMessageSize: true,
    hosts: true,
    hostOrder: true,
    recovery: true,
    retryInitial: true,
    whileOffline: true,
    publishDefaults: true,
    captureStacks: true,
    logger: true,
    transport: true,
  }),
  drain: namesOf<DrainOptions>({ timeout: true }),
  exchangeDeclare: namesOf<ExchangeDeclareOptions>({
    ...ABORT,
    type: true,
    durable: true,
    autoDelete: true,
    internal: true,
    passive: true,
    arguments: true,
  }),
  exchangeDelete: namesOf<ExchangeDeleteOptions>({ ...ABORT, ifUnused: true }),
  exchangeBind: BIND,
  exchangeUnbind: BIND,
  queueDeclare: namesOf<QueueDeclareOptions>({
    ...ABORT,
    durable: true,
    exclusive: true,
    autoDelete: true,
    passive: true,
    arguments: true,
  }),
  queueDelete: namesOf<QueueDeleteOptions>({ ...ABORT, ifUnused: true, ifEmpty: true }),
  queuePurge: namesOf<OperationOptions>(ABORT),
  queueBind: BIND,
  queueUnbind: BIND,
  basicPublish: namesOf<PublishOptions>(PUBLISH),
  publishMany: namesOf<PublishManyOptions>({ window: true, signal: true, onError: true }),
  basicGet: namesOf<GetOptions>({ ...ABORT, noAck: true }),
  basicConsume: namesOf<ConsumeOptions>({ ...CONSUME_MULTI, ...QUEUE_CONSUME }),
  basicConsumeMulti: namesOf<ConsumeMultiOptions>(CONSUME_MULTI),
  forEach: namesOf<ForEachOptions<never>>({ concurrency: true, signal: true, requeue: true, onError: true }),
  ack: namesOf<AckOptions>({ multiple: true }),
  nack: namesOf<NackOptions>(NACK),
  reject: namesOf<RejectOptions>({ requeue: true }),
} as const

/** A method that has options. */
export type OptionedMethod = keyof typeof OPTIONS

/** What a message of `publishMany` may have, beside properties of its user's own. */
export const LOAD_MESSAGE: ReadonlySet<string> = namesOf<PublishManyMessage>({
  ...PUBLISH,
  exchange: true,
  routingKey: true,
  body: true,
})

/** What a queue of `basicConsumeMulti` may have. */
export const QUEUE_ITEM: ReadonlySet<string> = namesOf<QueueConsumeOptions & { queue: string }>({
  ...QUEUE_CONSUME,
  queue: true,
})

/** Throws {@link ArgumentError} unless `options` is an object, with options of this method only. */
export function checkOptionsOf(method: OptionedMethod, options: unknown): void {
  checkOptions(method, options)
  checkNames(options, OPTIONS[method], { operation: method })
}
