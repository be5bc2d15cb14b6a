/**
 * Owns what the two kinds of publishing channels, with and without confirms, have in common for the buffer before them.
 * Such a channel is one life of an AMQP channel: what it knows ends with it.
 */

import type { ServerInfo } from '../client-state.js'
import type { Channel, ChannelListener } from '../connection/channel.js'
import type { Metrics } from '../connection/metrics.js'
import type { Outbox } from '../connection/outbox.js'
import type { AmqpError } from '../errors.js'
import type { OutgoingMessage } from './message-envelope.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishRisks } from './publish-risk.js'

/** The connection that is published on. */
export interface PublishConnection {
  readonly outbox: Outbox
  readonly info: ServerInfo
  /** The broker's reason not to take publishes for now (connection.blocked). */
  readonly blocked: string | undefined
  openChannel(listener: ChannelListener, reserved: number): Channel
}

export interface PublishChannel {
  /** Whether a publish may be written behind those that are in flight. */
  mayFollow(publish: PendingPublish): boolean
  /** The bytes of a publish are written next. */
  beforeWrite(publish: PendingPublish): void
  /** They are written: the publish is in flight, or done. */
  afterWrite(publish: PendingPublish): void
  /** One that is in flight is settled: nobody waits for its outcome any more. */
  abandon(publish: PendingPublish): void
  /** Takes all that is in flight, in order. */
  takeInFlight(): PendingPublish[]
  /** Where no confirm says so: resolves when the broker has read everything that was written; never rejects. */
  sync?(): Promise<void>
}

/** What a publishing channel needs of the buffer before it. */
export interface PublishChannelHost {
  readonly metrics: Metrics
  readonly risks: PublishRisks
  /** More may be written now. */
  writePending(): void
  /** Puts what has to be sent again at the head of the buffer; returns how many that are. */
  putBack(publishes: PendingPublish[]): number
  /** The broker has closed the channel, and those in flight are taken care of. */
  onChannelClosed(): void
  /** The channel is lost with its connection. */
  onChannelLost(reason: AmqpError, inFlight: PendingPublish[]): void
}

/** A kind of publishing channel. */
export interface PublishKind {
  /** Its channel number, for good: encoded bytes can be sent again as they are. */
  readonly number: number
  /** Throws if a message cannot be published on this kind of channel. */
  check(message: OutgoingMessage, info: ServerInfo | undefined): void
  open(connection: PublishConnection, host: PublishChannelHost): PublishChannel
  /** The connection is lost: what was learnt of those in flight is of no use. */
  reset(): void
}
