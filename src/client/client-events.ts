/** Owns the types of the events that a client emits. */

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
