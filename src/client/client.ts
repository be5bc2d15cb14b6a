/**
 * Owns the facade: every method puts its arguments into AMQP's terms and hands them on. It is one file, whatever its
 * length, because it is the documentation of the public API.
 */
import type { EventEmitter } from 'node:events'
import { captureCallSite, leadingTo } from '../call-site.js'
import type { ClientOptions, UrlSource } from '../client-options.js'
import type { ClientMetrics, ClientState, ServerInfo } from '../client-state.js'
import { resolveConfig } from '../connection/connection-config.js'
import { Metrics } from '../connection/metrics.js'
import { AmqpError, ArgumentError, AuthenticationError, ConnectionClosedError } from '../errors.js'
import { connectionLost, withContext, withOperation } from '../operation-errors.js'
import type {
  AckOptions,
  BindOptions,
  ConsumeMultiOptions,
  ConsumeOptions,
  DrainOptions,
  ExchangeDeclareOptions,
  ExchangeDeleteOptions,
  GetOptions,
  MessageCountResult,
  NackOptions,
  OperationOptions,
  PublishManyMessage,
  PublishManyOptions,
  PublishManyResult,
  PublishOptions,
  QueueDeclareOptions,
  QueueDeclareResult,
  QueueDeleteOptions,
  QueueItem,
  RejectOptions,
} from '../options.js'
import { Publisher } from '../publishing/publisher.js'
import type { Returned } from '../publishing/returned-message.js'
import { Operations } from '../recovery/operations.js'
import { RecoveringConnection } from '../recovery/recovering-connection.js'
import { TopologyRecovery } from '../recovery/topology-recovery.js'
import { TicketCounter } from '../ticket.js'
import { checkAbortOptions } from '../util/abort.js'
import { checkFlag, checkText } from '../util/check.js'
import { ClientEmitter, type ClientEvents } from './client-events.js'
import { ClientLog, checkLogger } from './client-log.js'
import { queueItem } from './consume-options.js'
import { Consumer } from './consumer.js'
import { ConsumerRegistry } from './consumer-registry.js'
import { Drain } from './drain.js'
import { getTask } from './get.js'
import { Message } from './message.js'
import { OperationCaller } from './operation-caller.js'
import { checkOptionsOf } from './operation-options.js'
import { PublishCaller } from './publish-caller.js'
import { readPublishDefaults } from './publish-defaults.js'
import { PublishLoads } from './publish-many.js'
import {
  bindingArguments,
  exchangeDeclareArguments,
  exchangeDeleteArguments,
  queueDeclareArguments,
  queueDeleteArguments,
} from './topology-arguments.js'
import { connects } from './trace-channels.js'

const DRAIN_TIMEOUT = 30_000

/** A connection to RabbitMQ. */
export class Client extends ClientEmitter implements AsyncDisposable {
  readonly #counter = new TicketCounter()
  readonly #metrics = new Metrics()
  readonly #topology: TopologyRecovery
  readonly #consumers: ConsumerRegistry
  readonly #publisher: Publisher
  readonly #operations: Operations
  readonly #connection: RecoveringConnection
  readonly #caller: OperationCaller
  readonly #publishes: PublishCaller
  readonly #loads: PublishLoads
  readonly #drain: Drain
  readonly #log: ClientLog | undefined

  /**
   * Makes a client that is not connected yet.
   *
   * @param url - where to connect: `amqp://user:password@host:port/vhost`, `amqps://...` for TLS, or several of them;
   *   each part but the scheme may be left out. Default `amqp:///`: `guest:guest@localhost:5672/`
   * @throws an {@link ArgumentError} if the URL or an option is invalid
   */
  constructor(url: UrlSource = 'amqp:///', options: ClientOptions = {}) {
    super()
    try {
      checkOptionsOf('Client', options)
      const limits = resolveConfig(undefined, options)
      const defaults = readPublishDefaults(options.publishDefaults)
      const { captureStacks = false, logger } = options
      checkLogger(logger)
      this.#log = logger && new ClientLog(logger)
      checkFlag('captureStacks', captureStacks)
      const failsOffline = options.whileOffline === 'fail'
      const counter = this.#counter
      this.#topology = new TopologyRecovery(counter, () => this.#connection.patience, {
        onQueueRenamed: (from, to) => this.#emitSoon('queueRenamed', from, to),
        onTopologyError: (entity, error) => this.#emitSoon('topologyError', entity, error),
        onTopologyDelayed: (entity, error) => this.#emitSoon('topologyDelayed', entity, error),
        onLateRestored: () => this.#publisher.onMissing(),
      })
      const publishEvents = {
        onReturned: ({ message, replyCode, replyText }: Returned) =>
          this.#emitSoon('return', message, replyCode, replyText),
        onLost: (count: number, error: AmqpError) => this.#emitSoon('lost', count, error),
      }
      this.#publisher = new Publisher(
        counter,
        { ...limits, failsOffline },
        this.#metrics,
        publishEvents,
        () => this.#topology.missing,
      )
      this.#operations = new Operations(counter, {
        maxWaiting: limits.maxPendingOperations,
        failsOffline,
        pending: names => this.#topology.pending(names),
      })
      this.#consumers = new ConsumerRegistry(
        counter,
        this.#topology,
        () => this.#connection,
        (consumer, error) => this.#emitSoon('consumerEnded', consumer, error),
      )
      // What survives a lost connection comes back in this order.
      const { grace } = this.#topology
      const parts = [this.#topology, this.#consumers, grace, this.#publisher, this.#operations]
      this.#connection = new RecoveringConnection(url, options, limits.frameMax, this.#metrics, parts, {
        onConnect: info => this.#emitSoon('connect', info),
        onDisconnect: error => this.#emitSoon('disconnect', error),
        onReconnecting: attempt => this.#emitSoon('reconnecting', attempt),
        onRecovered: info => this.#emitSoon('recovered', info),
        onBlocked: reason => this.#emitSoon('blocked', reason),
        onUnblocked: () => this.#emitSoon('unblocked'),
      })
      this.#caller = new OperationCaller(this, this.#connection, this.#operations, this.#topology.record)
      this.#publishes = new PublishCaller(this, this.#connection, this.#publisher, defaults, captureStacks)
      this.#loads = new PublishLoads(this.#publishes)
      this.#drain = new Drain(this.#connection, this.#consumers, this.#loads, () => this.close())
      void this.#connection.closed.then(() => {
        if (!this.#drain.completed) this.#consumers.cutOff()
        this.#loads.cutOff()
        this.#emitSoon('close')
      })
    } catch (error) {
      throw withOperation(error, { operation: 'Client' }, captureCallSite(new.target))
    }
  }

  /** Resolves when the client is closed, whatever the cause; never rejects. */
  get closed(): Promise<void> {
    return this.#connection.closed
  }

  /** The state of the client's connection. */
  get state(): ClientState {
    return this.#connection.state
  }

  /** The connection is open, and the broker takes messages. */
  get isOpen(): boolean {
    const { state } = this
    return state.name === 'open' && state.blocked === undefined
  }

  /**
   * A health check: the client is open (see {@link isOpen}), and every consumer that should run does (see
   * {@link Consumer.state}). One that has ended with an error should still run, until its user cancels it, consumes from the
   * same queues anew, or deletes them by this client.
   */
  get isHealthy(): boolean {
    return this.isOpen && this.#consumers.areHealthy
  }

  /** Counts of what the client has done since it was made, and of what is in progress. */
  metrics(): ClientMetrics {
    const { count, bytes } = this.#publisher.pending
    return {
      ...this.#metrics,
      pendingPublishes: count,
      pendingPublishBytes: bytes,
      pendingOperations: this.#operations.size,
      consumers: this.#consumers.size,
      ...this.#connection.usage,
    }
  }

  /**
   * Gives the broker a new secret for this user (RabbitMQ, `connection.update-secret`), for credentials that expire,
   * such as an OAuth 2 token. It replaces the password when the client reconnects, too; if the broker refuses it then, the
   * client tries what worked before. Resolves when the broker has taken it, on each connection that there is. While the
   * client connects, it is what the user is let in with, and resolves when that has worked. Of several calls, the last one
   * counts.
   *
   * @param newSecret - the secret, for example the new token
   * @param reason - a text for the broker's log
   * @throws a {@link ConnectionBrokenError} if the broker ends the connection over it, or no connection follows,
   *   {@link AuthenticationError} if the broker refuses it on the next connection, and lets the user in without it;
   *   {@link ConnectionClosedError} if the client is closed, or has never connected
   */
  updateSecret(newSecret: string, reason = 'refresh'): Promise<void> {
    return leadingTo(captureCallSite(this.updateSecret), this.#updateSecret(newSecret, reason))
  }

  async #updateSecret(newSecret: string, reason: string): Promise<void> {
    const context = { operation: 'updateSecret', ticket: this.#counter.next() }
    try {
      checkText('the secret', newSecret)
      checkText('the reason', reason)
      if (Buffer.byteLength(reason) > 255) {
        throw new ArgumentError('the reason must be at most 255 bytes of UTF-8')
      }
      await this.#connection.updateSecret(newSecret, reason)
    } catch (error) {
      if (error instanceof ArgumentError) throw withOperation(error, context)
      if (!(error instanceof AmqpError) || error.operation === 'updateSecret') throw error
      if (!(error instanceof AuthenticationError)) throw connectionLost(error, context)
      throw new AuthenticationError(`updateSecret: ${error.message}`, { ...context, cause: error })
    }
  }

  /**
   * Connects. A second call waits for the first; one on a connected client resolves at once.
   *
   * @throws a {@link ConnectionBrokenError} if the connection cannot be made (`cause` says why),
   *   {@link AuthenticationError} for wrong credentials, {@link NotAllowedError} for a virtual host that does not
   *   exist, {@link ProtocolError} if no AMQP is spoken, {@link TimeoutError} after `connectTimeout`
   */
  connect(): Promise<ServerInfo> {
    const site = captureCallSite(this.connect)
    const connect = (): Promise<ServerInfo> => leadingTo(site, this.#connect())
    return connects.hasSubscribers
      ? (connects.tracePromise(connect, { client: this }) as Promise<ServerInfo>)
      : connect()
  }

  /**
   * Closes the connection at once: every pending promise rejects with {@link ConnectionClosedError}, and iterators throw
   * it. What was written already is still sent. Of more than 10,000 pending publishes, those behind them share one error,
   * which has no `ticket`. Never rejects.
   */
  close(): Promise<void> {
    return this.#connection.close(new ConnectionClosedError('the client was closed'))
  }

  /**
   * Closes gracefully. Cancels all consumers, waits until every message that was handed out is settled (with `noAck`,
   * until every `forEach` handler is done), every `publishMany` has ended, and every publish is confirmed, then closes.
   * Messages of a loop that was left by `break` are not waited for. A second call joins the first. A client that is not
   * connected is closed at once.
   *
   * A loop or a handler may await it after its own message is settled; before, it would wait for itself. So would the
   * iterator or the `onError` of a `publishMany`.
   *
   * @throws a {@link TimeoutError} if that takes longer than `timeout`; the client is closed then, too.
   *   {@link ConnectionClosedError} if `close` is called meanwhile, {@link ConnectionBrokenError} if the connection is
   *   lost meanwhile
   */
  drain(options: DrainOptions = {}): Promise<void> {
    try {
      checkOptionsOf('drain', options)
      checkAbortOptions({ timeout: options.timeout })
    } catch (error) {
      return Promise.reject(withOperation(error, { operation: 'drain' }))
    }
    return leadingTo(captureCallSite(this.drain), this.#drain.run(options.timeout ?? DRAIN_TIMEOUT))
  }

  /** Drains the client, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  /**
   * Declares an exchange (AMQP 0-9-1, `exchange.declare`).
   *
   * @throws a {@link PreconditionFailedError} if it exists with other options, {@link NotFoundError} if it is to
   *   exist (`passive`) and does not, {@link AccessRefusedError} for a reserved name,
   *   {@link CommandInvalidError} for an unknown type, which ends the connection
   */
  exchangeDeclare(exchange: string, options: ExchangeDeclareOptions = {}): Promise<void> {
    return this.#caller.call('exchangeDeclare', options, {
      name: 'exchange.declare',
      args: () => exchangeDeclareArguments(exchange, options),
      result: (_, sent) => this.#topology.record.exchangeDeclared(sent),
    })
  }

  /**
   * Deletes an exchange, and the bindings from and to it (AMQP 0-9-1, `exchange.delete`). One that does not exist is no
   * error.
   *
   * @throws a {@link PreconditionFailedError} if it has bindings and `ifUnused` was asked for
   */
  exchangeDelete(exchange: string, options: ExchangeDeleteOptions = {}): Promise<void> {
    return this.#caller.call('exchangeDelete', options, {
      name: 'exchange.delete',
      args: () => exchangeDeleteArguments(exchange, options),
      result: () => {
        this.#topology.record.exchangeDeleted(exchange)
        this.#publisher.exchangeDeleted(exchange)
      },
    })
  }

  /**
   * Binds an exchange to another one: messages that `source` gets, and whose routing key matches, go to
   * `destination`, too (RabbitMQ, "Exchange to Exchange Bindings").
   *
   * @throws a {@link NotFoundError} if one of them does not exist
   */
  exchangeBind(
    destination: string,
    source: string,
    routingKey = '',
    options: BindOptions = {},
  ): Promise<void> {
    return this.#caller.call('exchangeBind', options, {
      name: 'exchange.bind',
      args: () => ({ destination, source, ...bindingArguments(routingKey, options) }),
      result: (_, sent) => this.#topology.record.exchangeBound(sent),
    })
  }

  /**
   * Removes a binding between exchanges, which is identified by its ends, routing key and arguments. One that does not
   * exist is no error.
   *
   * @throws a {@link NotFoundError} if one of the exchanges does not exist (before RabbitMQ 3.2)
   */
  exchangeUnbind(
    destination: string,
    source: string,
    routingKey = '',
    options: BindOptions = {},
  ): Promise<void> {
    return this.#caller.call('exchangeUnbind', options, {
      name: 'exchange.unbind',
      args: () => ({ destination, source, ...bindingArguments(routingKey, options) }),
      result: (_, sent) => this.#topology.record.exchangeUnbound(sent),
    })
  }

  /** Declares a queue that lasts, for which the broker chooses the name. */
  queueDeclare(): Promise<QueueDeclareResult>
  /**
   * Declares a queue (AMQP 0-9-1, `queue.declare`). `''` lets the broker choose a name, and so does a call without
   * arguments.
   *
   * @throws a {@link PreconditionFailedError} if it exists with other options, {@link NotFoundError} if it is to
   *   exist (`passive`) and does not, {@link ResourceLockedError} if it is exclusive to another connection,
   *   {@link AccessRefusedError} for a reserved name
   */
  queueDeclare(queue: string, options?: QueueDeclareOptions): Promise<QueueDeclareResult>
  queueDeclare(
    ...args: [] | [queue: string, options?: QueueDeclareOptions | undefined]
  ): Promise<QueueDeclareResult> {
    // A name that is undefined by mistake must not become one that the broker chooses.
    const [queue, options = {}] = args.length === 0 ? [''] : args
    return this.#caller.call('queueDeclare', options, {
      name: 'queue.declare',
      args: () => queueDeclareArguments(queue, options),
      result: ({ args }, sent) => {
        this.#topology.record.queueDeclared(sent, args.queue)
        return args
      },
      // A queue that the broker names would exist twice; an exclusive one is deleted with the connection.
      isRepeatable: ({ exclusive }) => queue !== '' || exclusive,
    })
  }

  /**
   * Deletes a queue with all that is in it (AMQP 0-9-1, `queue.delete`). One that does not exist is no error.
   *
   * @throws a {@link PreconditionFailedError} if it has consumers and `ifUnused`, or messages and `ifEmpty`, was asked
   *   for
   */
  queueDelete(queue: string, options: QueueDeleteOptions = {}): Promise<MessageCountResult> {
    return this.#caller.call('queueDelete', options, {
      name: 'queue.delete',
      args: () => queueDeleteArguments(queue, options),
      result: ({ args }, sent) => {
        this.#topology.record.queueDeleted(sent.queue)
        return args
      },
    })
  }

  /**
   * Drops the messages of a queue that are ready (AMQP 0-9-1, `queue.purge`); unacknowledged messages stay.
   *
   * @throws a {@link NotFoundError} for a queue that does not exist
   */
  queuePurge(queue: string, options: OperationOptions = {}): Promise<MessageCountResult> {
    return this.#caller.call('queuePurge', options, {
      name: 'queue.purge',
      args: () => ({ queue, noWait: false }),
      result: ({ args }) => args,
    })
  }

  /**
   * Binds a queue to an exchange (AMQP 0-9-1, `queue.bind`): messages that the exchange gets, and whose routing key
   * matches, go to the queue.
   *
   * @throws a {@link NotFoundError} if the queue or the exchange does not exist
   */
  queueBind(queue: string, exchange: string, routingKey = '', options: BindOptions = {}): Promise<void> {
    return this.#caller.call('queueBind', options, {
      name: 'queue.bind',
      args: () => ({ queue, exchange, ...bindingArguments(routingKey, options) }),
      result: (_, sent) => this.#topology.record.queueBound(sent),
    })
  }

  /**
   * Removes a binding, which is identified by its ends, routing key and arguments (AMQP 0-9-1, `queue.unbind`). One that
   * does not exist is no error.
   */
  queueUnbind(queue: string, exchange: string, routingKey = '', options: BindOptions = {}): Promise<void> {
    return this.#caller.call('queueUnbind', options, {
      name: 'queue.unbind',
      args: () => ({ queue, exchange, ...bindingArguments(routingKey, options) }),
      result: (_, sent) => this.#topology.record.queueUnbound(sent),
    })
  }

  /**
   * Publishes a message (AMQP 0-9-1, `basic.publish`). Resolves when the broker has taken responsibility for it; with
   * `confirm: false`, when it is handed over. A string is sent as UTF-8. A body of 32 KiB or more is not copied: it must
   * not change until the promise has settled.
   *
   * @param exchange - `''` is the default exchange: the routing key is then the name of a queue
   * @throws a {@link NotFoundError} for an exchange that does not exist, {@link NackedError} if the broker refused the
   *   message, {@link NoRouteError} for a `mandatory` one that no queue gets, {@link ResourceError} if too many
   *   publishes are pending, {@link ArgumentError} for what AMQP cannot carry
   */
  basicPublish(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    options?: PublishOptions,
  ): Promise<void> {
    return this.#publishes.publishOne(exchange, routingKey, body, options)
  }

  /**
   * Publishes all messages of an iterable, in order, as {@link basicPublish} would each. At most `window` of them are in
   * flight. The next one is taken when there is room: also the limits of the client on pending publishes make it wait,
   * instead of failing. Nothing is kept of a message that has its outcome.
   *
   * Where it ends early, the iterator's `return()` is called, and waited for unless the iterator is at work on the next
   * message; what is in flight is waited for, but not if `signal` is aborted. An iterator that throws ends it.
   *
   * @param messages - an iterable or an async iterable, such as an array or an async generator. They may have properties
   *   of your own
   * @returns the counts of messages that were published, and that failed
   * @throws a {@link PublishManyError} for the first message that fails, unless there is `onError`; its `cause` is one of
   *   the errors of `basicPublish`. {@link ConnectionClosedError} or {@link ConnectionBrokenError} if the client is
   *   closed meanwhile, {@link ArgumentError} for messages that cannot be iterated over, or an invalid option; what the
   *   iterator throws, what `onError` throws, or the reason of `signal`
   */
  publishMany<M extends PublishManyMessage>(
    messages: Iterable<M> | AsyncIterable<M>,
    options: PublishManyOptions<M> = {},
  ): Promise<PublishManyResult> {
    return this.#loads.run(messages, options)
  }

  /**
   * Takes one message out of a queue (AMQP 0-9-1, `basic.get`); null if it is empty. To take many, consume.
   *
   * @throws a {@link NotFoundError} for a queue that does not exist
   */
  basicGet(queue: string, options: GetOptions = {}): Promise<Message | null> {
    return this.#caller.perform('basicGet', options, () =>
      getTask(queue, options, this.#connection.frameMax, this.#topology.record),
    )
  }

  /**
   * Consumes from a queue (AMQP 0-9-1, `basic.consume`). Loop over what it returns with `for await`.
   *
   * @throws an {@link ArgumentError}, at once, for invalid options; {@link ConnectionClosedError} if the
   *   client is not connected. What the broker says comes by the iterator, and by `ready`.
   */
  basicConsume(queue: string, options: ConsumeOptions = {}): Consumer {
    checkOptionsOf('basicConsume', options)
    return this.#consumers.consume('basicConsume', [queueItem(queue, options)], options)
  }

  /**
   * Consumes from several queues at once, with one prefetch count over all of them.
   *
   * @throws as {@link basicConsume}
   */
  basicConsumeMulti(queues: readonly QueueItem[], options: ConsumeMultiOptions = {}): Consumer {
    checkOptionsOf('basicConsumeMulti', options)
    return this.#consumers.consume('basicConsumeMulti', queues, options)
  }

  /** Changes a consumer's prefetch count: the same as {@link Consumer.qos}. */
  async basicQos(consumer: Consumer, prefetchCount: number): Promise<void> {
    await asConsumer('basicQos', consumer).qos(prefetchCount)
  }

  /** Cancels a consumer: the same as {@link Consumer.cancel}. */
  async basicCancel(consumer: Consumer): Promise<void> {
    await asConsumer('basicCancel', consumer).cancel()
  }

  /** Acknowledges a message: the same as {@link Message.ack}. */
  basicAck(message: Message, options?: AckOptions): boolean {
    return asMessage('basicAck', message).ack(options)
  }

  /** Refuses a message: the same as {@link Message.nack}. */
  basicNack(message: Message, options?: NackOptions): boolean {
    return asMessage('basicNack', message).nack(options)
  }

  /** Refuses a message: the same as {@link Message.reject}. */
  basicReject(message: Message, options?: RejectOptions): boolean {
    return asMessage('basicReject', message).reject(options)
  }

  async #connect(): Promise<ServerInfo> {
    try {
      return await this.#connection.connect()
    } catch (error) {
      const isNamed = !(error instanceof AmqpError) || error.operation !== undefined
      throw isNamed ? error : withContext(error, { operation: 'connect' })
    }
  }

  /** Emits an event on its own: what a listener throws does not reach the connection. */
  #emitSoon<K extends keyof ClientEvents>(event: K, ...args: ClientEvents[K]): void {
    queueMicrotask(() => {
      this.#log?.write(event, args, this.state)
      ;(this as EventEmitter).emit(event, ...args)
    })
  }
}

function asConsumer(operation: string, consumer: unknown): Consumer {
  if (consumer instanceof Consumer) return consumer
  throw new ArgumentError(`${operation}: the first argument must be a Consumer`, { operation })
}

function asMessage(operation: string, message: unknown): Message {
  if (message instanceof Message) return message
  throw new ArgumentError(`${operation}: the first argument must be a Message`, { operation })
}
