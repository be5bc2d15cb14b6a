/** Owns the type of what a consumer says of itself. */

/** The state of a consumer. */
export type ConsumerState =
  /** Not every queue is consumed from yet. */
  | { readonly name: 'starting' }
  | { readonly name: 'running' }
  /** It was interrupted at `since`, for `error`, and comes back by itself. */
  | { readonly name: 'resuming'; readonly since: Date; readonly error: Error }
  /** Nothing more comes. `error` is what loops throw; undefined if the consumer was cancelled by its user. */
  | { readonly name: 'ended'; readonly error: unknown }
