/**
 * Owns the facade: every method puts its arguments into AMQP's terms and hands them to the session. Knows nothing of
 * frames and sockets.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reply } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { AmqpError, ArgumentError, ConnectionClosedError } from '../errors.js'
import { connectionLost, timedOut } from '../operation-errors.js'
import type {
  AckOptions,
  ClientMetrics,
  ClientOptions,
  ClientState,
  ConsumeMultiOptions,
  ConsumeOptions,
  DrainOptions,
  GetOptions,
  NackOptions,
  PublishOptions,
  QueueItem,
  RejectOptions,
  ServerInfo,
  UrlSource,
} from '../options.js'
import { RecoveringConnection } from '../recovery/recovering-connection.js'
import { type ReplayEvents, restoreQueue } from '../recovery/topology-replay.js'
import type { Session } from '../session/session.js'
import type { Settlement, Settler } from '../session/settlement.js'
import { consumeRequest, type SubscribedQueue } from '../session/subscription.js'
import type { Outcome } from '../ticket.js'
import { checkAbortOptions, watchAbort } from '../util/abort.js'
import { checkOptions } from '../util/check.js'
import { ignore } from '../util/promise.js'
import { planConsumer } from './consume-options.js'
import { Consumer, type ConsumerHome } from './consumer.js'
import { Message } from './message.js'
import { readPublish } from './publish-options.js'
import { Topology } from './topology.js'

const ACK: Settlement = { kind: 'ack', multiple: false }
const NO_OPTIONS: PublishOptions = {}
const DRAIN_TIMEOUT = 30_000
/** So long the rest of the recovery waits for consumers, in milliseconds; longer ones come when they can. */
const RESTORE_PATIENCE = 5000

/** A connection to RabbitMQ. */
export class Client extends Topology implements AsyncDisposable {
  /** @internal */
  protected override readonly link: RecoveringConnection
  readonly #consumers = new Set<Consumer>()
  readonly #consumerHome: ConsumerHome
  readonly #replayEvents: ReplayEvents = {
    onQueueRenamed: (from, to) => this.tell('queueRenamed', from, to),
    onTopologyError: (entity, error) => this.tell('topologyError', entity, error),
  }
  /** The session on which consumers are brought back, or were. */
  #restored: Session | undefined
  #draining: Promise<void> | undefined
  /** It was drained in full before it was closed. */
  #drained = false

  /**
   * Makes a client that is not connected yet.
   *
   * @param url - where to connect: `amqp://user:password@host:port/vhost`, `amqps://...` for TLS, or several of them;
   *   each part but the scheme may be left out. Default `amqp:///`: `guest:guest@localhost:5672/`
   * @throws {@link ArgumentError} where the URL or an option makes no sense
   */
  constructor(url: UrlSource = 'amqp:///', options: ClientOptions = {}) {
    super()
    checkOptions('Client', options)
    this.link = new RecoveringConnection(url, options, this.counter, {
      onConnect: info => this.tell('connect', info),
      onDisconnect: error => this.tell('disconnect', error),
      onReconnecting: attempt => this.tell('reconnecting', attempt),
      onRecovered: info => this.tell('recovered', info),
      onBlocked: reason => this.tell('blocked', reason),
      onUnblocked: () => this.tell('unblocked'),
      ...this.#replayEvents,
      restoreConsumers: session => this.#restoreConsumers(session),
      onGivenUp: reason => this.#endConsumers(reason),
    })
    void this.link.closed.then(() => {
      if (!this.#drained) for (const consumer of this.#consumers) consumer.cutOff()
      this.tell('close')
    })
    this.#consumerHome = {
      // What it has handed out may still be at work: drain waits for that.
      onConsumerEnd: consumer => void consumer.idle().then(() => this.#consumers.delete(consumer)),
      onQueueEnd: (queue, begun) => this.record.consumerRemoved(queue, begun),
    }
  }

  /** Resolves when the client has come to its end, whatever the cause; never rejects. */
  get closed(): Promise<void> {
    return this.link.closed
  }

  /** What the client is at. */
  get state(): ClientState {
    return this.link.state
  }

  /** There is a connection, and the broker takes messages: a figure for readiness probes. */
  get isOpen(): boolean {
    const { state } = this
    return state.name === 'open' && state.blocked === undefined
  }

  /** What the client has done since it was made, and what it is at. */
  metrics(): ClientMetrics {
    return this.link.metrics
  }

  /**
   * Gives the broker a new secret for this user (RabbitMQ, `connection.update-secret`), for credentials that expire, such
   * as an OAuth 2 token. It takes the place of the password also when the connection is lost and made anew.
   *
   * @param newSecret - the secret, for example the new token
   * @param reason - a text for the broker's log
   * @throws {@link ConnectionBrokenError} where the broker ends the connection over it
   */
  async updateSecret(newSecret: string, reason = 'refresh'): Promise<void> {
    if (typeof newSecret !== 'string') throw new ArgumentError('updateSecret: the secret must be a string')
    if (typeof reason !== 'string') throw new ArgumentError('updateSecret: the reason must be a string')
    const context = { operation: 'updateSecret', ticket: this.counter.next() }
    try {
      await this.link.updateSecret(newSecret, reason)
    } catch (error) {
      throw error instanceof AmqpError && error.operation === undefined
        ? connectionLost(error, context)
        : error
    }
  }

  /**
   * Connects. A second call waits for the first; one on a connected client resolves at once.
   *
   * @throws {@link ConnectionBrokenError} where there is no getting through (`cause` says why),
   *   {@link AuthenticationError} for wrong credentials, {@link NotAllowedError} for a virtual host that does not
   *   exist, {@link ProtocolError} where no AMQP is spoken, {@link TimeoutError} after `connectTimeout`
   */
  connect(): Promise<ServerInfo> {
    return this.link.connect()
  }

  /**
   * Closes the connection at once: everything outstanding rejects with {@link ConnectionClosedError}, iterators throw
   * it. What was written already is still sent. Never rejects.
   */
  close(): Promise<void> {
    const reason = new ConnectionClosedError('the client was closed')
    const closed = this.link.close(reason)
    // Those that wait for another connection have no channel that could tell them.
    this.#endConsumers(reason)
    return closed
  }

  /**
   * Closes gracefully: cancels all consumers, waits until every message that was handed out is settled, with `noAck`
   * until every `forEach` handler is done, and every publish confirmed, then closes. A message whose loop was left by
   * `break` is not waited for. A second call joins the first; on a client that is not connected it just closes.
   *
   * A loop or a handler may await it once its own message is settled; before, it waits for itself.
   *
   * @throws {@link TimeoutError} where that takes longer than `timeout`; the client is closed then, too.
   *   {@link ConnectionClosedError} where `close` cuts it short, {@link ConnectionBrokenError} where the connection is
   *   lost meanwhile
   */
  drain(options: DrainOptions = {}): Promise<void> {
    const { timeout = DRAIN_TIMEOUT } = options ?? {}
    try {
      checkOptions('drain', options)
      checkAbortOptions({ timeout })
    } catch (error) {
      return Promise.reject(this.named('drain', error))
    }
    this.#draining ??= this.#drain(timeout).finally(() => {
      this.#draining = undefined
    })
    return this.#draining
  }

  /** Drains the client, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  /**
   * Publishes a message (AMQP 0-9-1, `basic.publish`). Resolves when the broker has taken responsibility for it; with
   * `confirm: false`, when it is handed over. A string is sent as UTF-8. A body of 32 KiB or more is not copied: it must
   * not change until the promise has settled.
   *
   * @param exchange - `''` is the default exchange: the routing key is then the name of a queue
   * @throws {@link NotFoundError} for an exchange that does not exist, {@link NackedError} where the broker refused the
   *   message, {@link NoRouteError} for a `mandatory` one that no queue gets, {@link ResourceError} where too many
   *   publishes are pending, {@link ArgumentError} for what AMQP cannot carry
   */
  basicPublish(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    options?: PublishOptions,
  ): Promise<void> {
    try {
      const message = readPublish(exchange, routingKey, body, options)
      return this.link.publish(message, options?.confirm ?? true, options ?? NO_OPTIONS)
    } catch (error) {
      return Promise.reject(this.named('basicPublish', error))
    }
  }

  /**
   * Takes one message out of a queue (AMQP 0-9-1, `basic.get`); null where it is empty. To take many, consume.
   *
   * @throws {@link NotFoundError} for a queue that does not exist
   */
  basicGet(queue: string, options: GetOptions = {}): Promise<Message | null> {
    const { noAck = false } = options ?? {}
    return this.perform('basicGet', options, () => {
      if (typeof noAck !== 'boolean') throw new ArgumentError('noAck must be true or false')
      const requestOf = (name: string) =>
        encodeRequest('basic.get', { queue: name, noAck: false }, this.link.frameMax)
      const request = requestOf(queue)
      const take = ({ method, content }: Reply, settler: Settler): Message | null => {
        if (method.name !== 'basic.get-ok' || content === undefined) return null
        const { deliveryTag } = method.args
        // Acked here, not by the broker's own no-ack: a message that comes too late for its taker is not lost then.
        if (noAck) settler.settle(deliveryTag, ACK)
        return new Message(content, deliveryTag, settler, noAck, true)
      }
      const begin = (session: Session, outcome: Outcome<Message | null>): void => {
        const name = this.record.nameOf(queue)
        session.get(outcome, name, name === queue ? request : requestOf(name), take)
      }
      return { repeatable: true, begin }
    })
  }

  /**
   * Consumes from a queue (AMQP 0-9-1, `basic.consume`). Loop over what it returns with `for await`.
   *
   * @throws {@link ArgumentError}, at once, for options that make no sense; {@link ConnectionClosedError} where the
   *   client is not connected. What the broker says comes by the iterator, and by `ready`.
   */
  basicConsume(queue: string, options: ConsumeOptions = {}): Consumer {
    checkOptions('basicConsume', options)
    return this.#consume('basicConsume', [{ ...options, queue }], options)
  }

  /**
   * Consumes from several queues at once, with one prefetch count over all of them.
   *
   * @throws as {@link basicConsume}
   */
  basicConsumeMulti(queues: readonly QueueItem[], options: ConsumeMultiOptions = {}): Consumer {
    checkOptions('basicConsumeMulti', options)
    return this.#consume('basicConsumeMulti', queues, options)
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

  #consume(operation: string, items: readonly QueueItem[], options: ConsumeMultiOptions): Consumer {
    const ticket = this.counter.next()
    const context = { operation, ticket }
    try {
      const { queues, ...plan } = planConsumer(items, options, ticket)
      this.link.check(operation)
      for (const queue of queues) consumeRequest(queue, queue.consumerTag, this.link.frameMax)
      const consumer = new Consumer(this.#consumerHome, {
        ...plan,
        queues,
        context,
        subscribe: (rest, prefetch, sink) => {
          const present = rest.map(queue => this.#present(queue))
          return this.#consumingSession?.subscribe({ queues: present, prefetch, context }, sink)
        },
        recovering: () => this.link.recovering,
        isAwaited: queue => this.#isAwaited(this.record.nameOf(queue)),
      })
      this.#consumers.add(consumer)
      for (const { queue } of queues) this.record.consumerAdded(queue)
      return consumer
    } catch (error) {
      throw this.named(operation, error, ticket)
    }
  }

  /** What is known of a queue by now. */
  #present(queue: SubscribedQueue): SubscribedQueue {
    const name = this.record.nameOf(queue.queue)
    return { ...queue, queue: name, lasting: this.record.queue(name)?.args.autoDelete === false }
  }

  /** The session, as soon as the queues are there. */
  get #consumingSession(): Session | undefined {
    const { session } = this.link
    return this.state.name === 'open' || session === this.#restored ? session : undefined
  }

  /** Whether a queue that is not there for a consumer which comes back will be there. */
  #isAwaited(queue: string): boolean {
    const { record } = this
    if (record.isAwaited(queue)) return true
    const { session } = this.link
    if (session === undefined || record.queue(queue)?.args.autoDelete !== true) return false
    // It has gone with the last consumer of the old connection, after it was found to be there still.
    const lost = (): boolean => session.endReason !== undefined
    restoreQueue(record, queue, { session, counter: this.counter, lost, events: this.#replayEvents }).catch(
      ignore,
    )
    return true
  }

  async #restoreConsumers(session: Session): Promise<void> {
    this.#restored = session
    const resumed = [...this.#consumers].map(consumer => consumer.resume())
    // A queue that is not to be had for now, such as one without a leader, must not keep the others waiting.
    const enough = new AbortController()
    const patience = sleep(RESTORE_PATIENCE, undefined, { signal: enough.signal }).catch(ignore)
    await Promise.race([Promise.all(resumed), patience])
    enough.abort()
  }

  #endConsumers(reason: AmqpError): void {
    for (const consumer of this.#consumers) consumer.fail(reason)
  }

  async #drain(timeout: number): Promise<void> {
    if (this.link.alive) {
      const stopWatching = new AbortController()
      try {
        await Promise.race([this.#comeToRest(), this.#drainFailure(timeout, stopWatching.signal)])
        this.#drained = true
      } finally {
        stopWatching.abort()
        await this.close()
      }
    } else {
      await this.close()
    }
  }

  async #comeToRest(): Promise<void> {
    const consumers = [...this.#consumers]
    await Promise.all(consumers.map(consumer => consumer.cancel()))
    await Promise.all(consumers.map(consumer => consumer.idle()))
    await this.link.idle()
  }

  /** Rejects when the time is up, or the connection lost; `end` puts an end to the watch. */
  #drainFailure(timeout: number, end: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const context = { operation: 'drain' }
      void this.closed.then(() => {
        try {
          this.link.check('drain')
        } catch (reason) {
          reject(reason)
        }
      })
      const stop = watchAbort({ timeout }, ignore, () => reject(timedOut('drain', timeout, context)))
      end.addEventListener('abort', stop)
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
