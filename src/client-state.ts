/** Owns the types of what a client says of itself: its state, its metrics, its broker, its recovery. */
import type { Table } from './util/field-value.js'

/** What the broker says about itself when a connection opens. */
export interface ServerInfo {
  /** For example `RabbitMQ`. */
  product: string
  /** For example `3.10.8`. */
  version: string
  /** For example `Erlang/OTP 25.2.3`. */
  platform: string
  /** The capabilities of the broker, for example `publisher_confirms`. */
  capabilities: Readonly<Record<string, boolean>>
  /** The authentication mechanisms that the broker offers. */
  mechanisms: readonly string[]
  /** The locales that the broker offers. */
  locales: readonly string[]
  /** All other server properties. */
  properties: Table
  /** The peer of the connection: `host:port`, or the path of a Unix socket. */
  host: string
}

/** A part of the topology that recovery could not restore. */
export interface TopologyEntity {
  /** What it is. */
  readonly kind: 'exchange' | 'queue' | 'binding'
  /** Its name; for a binding: `source -> destination (routing key)`. */
  readonly name: string
}

/** An attempt to reconnect, or with `retryInitial` to connect once more. */
export interface ReconnectAttempt {
  /**
   * The number of the attempt: 1, 2, ... since the connection was lost. If the new connection is lost soon, within a
   * second or the limit of the delay before it, that counts as an attempt that failed: the number goes on.
   */
  readonly attempt: number
  /** Milliseconds until the attempt starts. */
  readonly delay: number
  /** The host that the client tries first. */
  readonly host: string
  /** The error of the previous attempt, or of the lost connection. */
  readonly error: Error
}

/** The state of a client. */
export type ClientState =
  | {
      /** `connect()` was not called yet. */
      readonly name: 'idle'
    }
  | {
      /** The first connection is being made. */
      readonly name: 'connecting'
      /** The number of the attempt: 1, 2, ... */
      readonly attempt: number
      /** What the attempt before came to (`retryInitial`). */
      readonly error: Error | undefined
    }
  | {
      /** The connection is there. */
      readonly name: 'open'
      /** What the broker says about itself. */
      readonly server: ServerInfo
      /** The broker's reason if it currently accepts no messages. */
      readonly blocked: string | undefined
    }
  | {
      /** The connection was lost, and the client is making a new one. */
      readonly name: 'reconnecting'
      /** The number of the attempt: 1, 2, ... since the connection was lost. */
      readonly attempt: number
      /** When the connection was lost. */
      readonly since: Date
      /** The latest error. */
      readonly error: Error
    }
  | {
      /** The client is closed, and stays so. */
      readonly name: 'closed'
      /** The cause; undefined if the user closed the client. */
      readonly error: Error | undefined
    }

/** What a client has done since it was created, and what is pending. */
export interface ClientMetrics {
  /** Publishes that were accepted. */
  readonly published: number
  /** Publishes that the broker confirmed (basic.ack). */
  readonly confirmed: number
  /** Publishes that the broker refused (basic.nack). */
  readonly nacked: number
  /** Publishes that the broker returned (basic.return). */
  readonly returned: number
  /** Publishes that were sent again after the loss of a channel or the connection. */
  readonly resent: number
  /**
   * Publishes without a confirm that were written, and that the broker has dropped or may not have read, because it closed
   * their channel or the connection was lost.
   */
  readonly lost: number
  /** Messages that were received. */
  readonly delivered: number
  /** Messages that were acked, nacked or rejected. */
  readonly settled: number
  /** Messages that were settled too late: their channel had closed. */
  readonly staleSettlements: number
  /** The number of successful reconnects. */
  readonly reconnects: number
  /** Bytes read from the broker, over all connections. */
  readonly bytesReceived: number
  /** Bytes written to the broker, over all connections. */
  readonly bytesSent: number
  /** Publishes that are neither confirmed nor failed. */
  readonly pendingPublishes: number
  /** The memory that these publishes take up, in bytes: their encoded size, and an estimate of the rest. */
  readonly pendingPublishBytes: number
  /** Operations that are in progress or waiting. */
  readonly pendingOperations: number
  /** Messages that were received and not settled: in a buffer, in a loop, or in hand after a loop was left. */
  readonly unsettled: number
  /** Consumers that have not ended. */
  readonly consumers: number
  /** Channels that are open, over all connections of the client. */
  readonly channels: number
}
