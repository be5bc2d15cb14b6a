/** Owns what a workload tells of its progress, and by what it is ended. */
export interface Ticker {
  /** Counts a message. Returns true when it is enough. */
  tick(): boolean
  /** Counts several messages. Returns true when it is enough. */
  ticks(count: number): boolean
}
