/** Owns what a null peer is told to be, and what it tells in the end. */

export interface NullPeerOptions {
  /** Bytes of each message that it delivers. */
  readonly body: number
  /** What the messages carry: nothing, ten headers, or headers and properties. */
  readonly extras: Extras
  readonly channelMax: number
}

export type Extras = 'none' | 'headers' | 'all'

export interface NullPeerTotals {
  readonly published: number
  readonly delivered: number
  readonly acked: number
}

/** Consumers of this queue are flooded; those of any other get nothing. */
export const FLOOD_QUEUE = 'flood'
