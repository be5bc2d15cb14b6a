/**
 * Owns what the two kinds of publishing, with and without confirms, have in common for the buffer before them. What it
 * knows of the messages that it has written ends with the connection, or before.
 */

import type { ServerInfo } from '../client-state.js'
import type { Channel, ChannelListener } from '../connection/channel.js'
import type { Metrics } from '../connection/metrics.js'
import type { Outbox } from '../connection/outbox.js'
import type { AmqpError } from '../errors.js'
import type { OutgoingMessage } from './message-envelope.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishRisks } from './publish-risk.js'
import type { Returned } from './returned-message.js'

/** The connection that is published on. */
export interface PublishConnection {
  readonly outbox: Outbox
  readonly info: ServerInfo
  /** The broker's reason not to take publishes for now (connection.blocked). */
  readonly blocked: string | undefined
  /** Opens the channel of a reserved number, or any that is free. Throws {@link ResourceError} if there is none. */
  openChannel(listener: ChannelListener, options?: { readonly reserved?: number }): Channel
}

export interface PublishChannel {
  /** Whether a publish may be written behind those that are in flight. */
  mayFollow(publish: PendingPublish): boolean
  /** The bytes of a publish without risk are written next, on the channel of the kind's number. */
  beforeWrite(publish: PendingPublish): void
  /** They are written: the publish is in flight, or done. */
  afterWrite(publish: PendingPublish): void
  /** Writes a publish that has waited. */
  write(publish: PendingPublish): void
  /** Everything that waited is written. */
  onCaughtUp(): void
  /** One that is in flight is settled: nobody waits for its outcome any more. */
  abandon(publish: PendingPublish): void
  /** Takes all that is in flight. */
  takeInFlight(): PendingPublish[]
  /** Where no confirm says so: resolves when the broker has read everything that was written; never rejects. */
  sync?(): Promise<void>
}

/** What publishing tells of messages that nobody waits for any more. */
export interface PublishEvents {
  /** A message without a confirm came back. */
  onReturned(returned: Returned): void
  /** So many messages without a confirm are lost, or may be. */
  onLost(count: number, error: AmqpError): void
}

/** What a publishing channel needs of the buffer before it. */
export interface PublishChannelHost {
  readonly metrics: Metrics
  readonly risks: PublishRisks
  readonly events: PublishEvents
  /** The ticket of the publish that was accepted last. */
  readonly lastTicket: number
  /** More may be written now. */
  writePending(): void
  /** Puts what has to be sent again back into the buffer, by their tickets; returns how many that are. */
  putBack(publishes: readonly PendingPublish[]): number
  /** The broker said that an exchange does not exist: that goes for all that wait up to a ticket and go there. */
  onExchangeMissing(exchange: string, lastTicket: number, error: AmqpError): void
  /** The broker has closed the channel, and those in flight are taken care of. */
  onChannelClosed(): void
  /** The channel is lost with its connection; the suspects may be why. */
  onChannelLost(reason: AmqpError, inFlight: PendingPublish[], suspects: PendingPublish[]): void
}

/** A kind of publishing channel. */
export interface PublishKind {
  /** Its channel number, for good: encoded bytes can be sent again as they are. */
  readonly number: number
  /** Throws if a message cannot be published on this kind of channel. */
  check(message: OutgoingMessage, info: ServerInfo | undefined): void
  /** `again`: publishes have waited since a connection was lost. Throws {@link ResourceError} if there is no channel of the number. */
  open(connection: PublishConnection, host: PublishChannelHost, again: boolean): PublishChannel
}
