/** Owns the size of a run, and what follows from it. Knows nothing of arguments, or of clients. */

export interface Plan {
  readonly minutes: number
  readonly consumers: number
  readonly queues: number
  /** Seconds without any progress after which what has no outcome counts as hanging. */
  readonly patience: number
}

/**
 * Consumers of one client. Each has a channel of its own, and RabbitMQ allows 2,047 channels for a connection by default;
 * some are left for operations, for gets and for the consumers that operations make.
 */
const CONSUMERS_PER_CLIENT = 1_900

/** So more than one client is needed for more consumers than that. */
export const clientsOf = ({ consumers }: Plan): number => Math.ceil(consumers / CONSUMERS_PER_CLIENT)

/** One queue of so many has a slow reader beside its other ones. */
const SLOW_EVERY = 5

/** The first consumer of some queues: the others of the same queue take what it leaves. */
export const isSlow = (index: number, { queues }: Plan): boolean => index < queues && index % SLOW_EVERY === 0
