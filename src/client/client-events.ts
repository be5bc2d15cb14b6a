/**
 * Owns the types of the events that a client emits. Each event's text stands twice: a documentation tool shows the list of
 * events, and an editor shows the signature that a call has.
 */
import { EventEmitter } from 'node:events'
import type { ReconnectAttempt, ServerInfo, TopologyEntity } from '../client-state.js'
import type { AmqpError, ReturnedMessage } from '../errors.js'
import type { Consumer } from './consumer.js'

/** The events of a client, with their arguments. No event has to be listened to. */
export interface ClientEvents {
  /** The connection is made. */
  connect: [info: ServerInfo]
  /** The connection is lost. */
  disconnect: [error: AmqpError]
  /** The client reconnects, after a delay; with `retryInitial`, also before the first connection. */
  reconnecting: [attempt: ReconnectAttempt]
  /** The connection is back, with topology and consumers. Publishes and operations go on earlier if a part is late. */
  recovered: [info: ServerInfo]
  /** Recovery could not bring something back, for example a queue that exists with other options by now. */
  topologyError: [entity: TopologyEntity, error: AmqpError]
  /**
   * Something is not back 2 s after the reconnect: another connection still holds a queue, say, or the broker does not
   * answer. Publishes that may be meant for it wait; everything else goes on. It comes back later (then `recovered` is
   * emitted), or `topologyError` says that it does not. What the client cannot know is whether a publish reaches it by a
   * binding that somebody else has made: such a publish does not wait.
   */
  topologyDelayed: [entity: TopologyEntity, error: AmqpError]
  /** A queue that the broker had named has another name after recovery; bindings and consumers follow. */
  queueRenamed: [from: string, to: string]
  /** The broker takes no messages for now (RabbitMQ, "Blocked Connection Notifications"); publishes wait. */
  blocked: [reason: string]
  /** The broker takes messages again. */
  unblocked: []
  /**
   * A message that was published with `confirm: false` and `mandatory` came back: no queue matched (AMQP 0-9-1,
   * `basic.return`). With a confirm, the promise of the publish rejects with `NoRouteError` instead.
   */
  return: [message: ReturnedMessage, replyCode: number, replyText: string]
  /**
   * Up to `count` messages that were published with `confirm: false` did not reach the broker: it closed their channel,
   * over one of them that it refused, or the connection was lost.
   */
  lost: [count: number, error: AmqpError]
  /**
   * A consumer has ended: with the error that its loops throw, or, as its user wanted, with undefined. Nothing more comes
   * from it.
   */
  consumerEnded: [consumer: Consumer, error: unknown]
  /** The client is closed, whatever the cause. */
  close: []
}

/** `on`, `once`, `off` and the others that take an event and its listener. What a listener returns is ignored. */
export interface ClientEventMethod<Self> {
  /** The connection is made. */
  (event: 'connect', listener: (info: ServerInfo) => unknown): Self
  /** The connection is lost. */
  (event: 'disconnect', listener: (error: AmqpError) => unknown): Self
  /** The client reconnects, after a delay; with `retryInitial`, also before the first connection. */
  (event: 'reconnecting', listener: (attempt: ReconnectAttempt) => unknown): Self
  /** The connection is back, with topology and consumers. Publishes and operations go on earlier if a part is late. */
  (event: 'recovered', listener: (info: ServerInfo) => unknown): Self
  /** Recovery could not bring something back, for example a queue that exists with other options by now. */
  (event: 'topologyError', listener: (entity: TopologyEntity, error: AmqpError) => unknown): Self
  /**
   * Something is not back 2 s after the reconnect: another connection still holds a queue, say, or the broker does not
   * answer. Publishes that may be meant for it wait; everything else goes on. It comes back later (then `recovered` is
   * emitted), or `topologyError` says that it does not. What the client cannot know is whether a publish reaches it by a
   * binding that somebody else has made: such a publish does not wait.
   */
  (event: 'topologyDelayed', listener: (entity: TopologyEntity, error: AmqpError) => unknown): Self
  /** A queue that the broker had named has another name after recovery; bindings and consumers follow. */
  (event: 'queueRenamed', listener: (from: string, to: string) => unknown): Self
  /** The broker takes no messages for now (RabbitMQ, "Blocked Connection Notifications"); publishes wait. */
  (event: 'blocked', listener: (reason: string) => unknown): Self
  /** The broker takes messages again. */
  (event: 'unblocked', listener: () => unknown): Self
  /**
   * A message that was published with `confirm: false` and `mandatory` came back: no queue matched (AMQP 0-9-1,
   * `basic.return`). With a confirm, the promise of the publish rejects with `NoRouteError` instead.
   */
  (
    event: 'return',
    listener: (message: ReturnedMessage, replyCode: number, replyText: string) => unknown,
  ): Self
  /**
   * Up to `count` messages that were published with `confirm: false` did not reach the broker: it closed their channel,
   * over one of them that it refused, or the connection was lost.
   */
  (event: 'lost', listener: (count: number, error: AmqpError) => unknown): Self
  /**
   * A consumer has ended: with the error that its loops throw, or, as its user wanted, with undefined. Nothing more comes
   * from it.
   */
  (event: 'consumerEnded', listener: (consumer: Consumer, error: unknown) => unknown): Self
  /** The client is closed, whatever the cause. */
  (event: 'close', listener: () => unknown): Self
  /** One of several events. */
  <K extends keyof ClientEvents>(event: K, listener: (...args: ClientEvents[K]) => unknown): Self
}

/** An emitter of the events of a client. */
export interface ClientEmitter extends EventEmitter<ClientEvents> {
  /** Calls the listener each time the event is emitted. */
  readonly on: ClientEventMethod<this>
  /** The same as `on`. */
  readonly addListener: ClientEventMethod<this>
  /** Calls the listener each time the event is emitted, before those that are there. */
  readonly prependListener: ClientEventMethod<this>
  /** Calls the listener the next time that the event is emitted. */
  readonly once: ClientEventMethod<this>
  /** Calls the listener the next time that the event is emitted, before those that are there. */
  readonly prependOnceListener: ClientEventMethod<this>
  /** Calls the listener no more. */
  readonly off: ClientEventMethod<this>
  /** The same as `off`. */
  readonly removeListener: ClientEventMethod<this>
}

/** Node's emitter, with a text for each event. */
export const ClientEmitter = EventEmitter as new () => ClientEmitter
