/** Owns the type of what a consumer says of itself. */

/** The state of a consumer. */
export type ConsumerState =
  | {
      /** Not every queue is consumed from yet. */
      readonly name: 'starting'
    }
  | {
      /** Every queue is consumed from. */
      readonly name: 'running'
    }
  | {
      /** It was interrupted, and comes back by itself. */
      readonly name: 'resuming'
      /** When it was interrupted. */
      readonly since: Date
      /** What it was interrupted for. */
      readonly error: Error
    }
  | {
      /** Nothing more comes. */
      readonly name: 'ended'
      /** What loops throw; undefined if the consumer was cancelled by its user. */
      readonly error: unknown
    }
