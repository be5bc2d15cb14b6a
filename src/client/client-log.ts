/** Owns what a logger of the user's own is told: each event of a client, in words, at the level that fits it. */

import type { Logger } from '../client-options.js'
import type { ClientState } from '../client-state.js'
import { ArgumentError } from '../errors.js'
import type { ClientEvents } from './client-events.js'

type Level = keyof Logger
type Line = readonly [level: Level, text: string]

const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Throws {@link ArgumentError} unless it is a logger, or undefined. */
export function checkLogger(logger: unknown): asserts logger is Logger | undefined {
  if (logger === undefined) return
  const isLogger = typeof logger === 'object' && logger !== null
  if (isLogger && LEVELS.every(level => typeof (logger as Logger)[level] === 'function')) return
  throw new ArgumentError(`logger must be an object with the methods ${LEVELS.join(', ')}`)
}

/** No line repeats a secret: errors and hosts have none. */
const lines: { readonly [E in keyof ClientEvents]: (...args: ClientEvents[E]) => Line } = {
  connect: ({ host, product, version }) => ['info', `connected to ${host} (${product} ${version})`],
  disconnect: error => ['warn', `the connection is lost: ${error.message}`],
  reconnecting: ({ attempt, delay, host }) => [
    'info',
    `reconnecting to ${host} in ${delay} ms (attempt ${attempt})`,
  ],
  recovered: ({ host }) => ['info', `recovered: connected to ${host}, topology and consumers are back`],
  topologyError: ({ kind, name }, error) => ['error', `the ${kind} ${name} is not back: ${error.message}`],
  topologyDelayed: ({ kind, name }, error) => ['warn', `the ${kind} ${name} is late: ${error.message}`],
  queueRenamed: (from, to) => ['info', `the queue ${from} is now ${to}`],
  blocked: reason => ['warn', `the broker takes no messages: ${reason}`],
  unblocked: () => ['info', 'the broker takes messages again'],
  return: ({ exchange, routingKey }, replyCode, replyText) => [
    'warn',
    `a message to the exchange '${exchange}' with the routing key '${routingKey}' came back: ${replyText} (${replyCode})`,
  ],
  lost: (count, error) => ['error', `up to ${count} messages without a confirm are lost: ${error.message}`],
  consumerEnded: ({ consumerTags }, error) => {
    const tags = consumerTags.join(', ')
    if (error === undefined) return ['debug', `the consumer ${tags} has ended`]
    return [
      'error',
      `the consumer ${tags} has ended: ${error instanceof Error ? error.message : String(error)}`,
    ]
  },
  close: () => ['info', 'closed'],
}

export class ClientLog {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** What a logger throws harms nobody: what is going on matters more than its report. */
  write<E extends keyof ClientEvents>(event: E, args: ClientEvents[E], state: ClientState): void {
    try {
      const [level, text] = event === 'close' ? closing(state) : lines[event](...args)
      this.#logger[level](`puka-amqp: ${text}`)
    } catch {
      // An abort reason may have no words, either.
    }
  }
}

function closing(state: ClientState): Line {
  const cause = state.name === 'closed' ? state.error : undefined
  return cause === undefined ? lines.close() : ['error', `closed: ${cause.message}`]
}
