/** Owns the reading of what users pass to declare, delete and bind: defaults filled in, in AMQP's terms. */
import type { ArgsOf } from '../codec/methods.gen.js'
import type {
  BindOptions,
  ExchangeDeclareOptions,
  ExchangeDeleteOptions,
  QueueDeclareOptions,
  QueueDeleteOptions,
} from '../options.js'
import type { Table } from '../util/field-value.js'

export const NO_ARGUMENTS: Table = Object.freeze({})

export function exchangeDeclareArguments(
  exchange: string,
  options: ExchangeDeclareOptions,
): ArgsOf<'exchange.declare'> {
  return {
    exchange,
    type: options.type ?? 'direct',
    passive: options.passive ?? false,
    durable: options.durable ?? true,
    autoDelete: options.autoDelete ?? false,
    internal: options.internal ?? false,
    arguments: options.arguments ?? NO_ARGUMENTS,
    noWait: false,
  }
}

export function exchangeDeleteArguments(
  exchange: string,
  { ifUnused = false }: ExchangeDeleteOptions,
): ArgsOf<'exchange.delete'> {
  return { exchange, ifUnused, noWait: false }
}

export function queueDeclareArguments(queue: string, options: QueueDeclareOptions): ArgsOf<'queue.declare'> {
  const { exclusive = false } = options
  return {
    queue,
    passive: options.passive ?? false,
    durable: options.durable ?? !exclusive,
    exclusive,
    autoDelete: options.autoDelete ?? false,
    arguments: options.arguments ?? NO_ARGUMENTS,
    noWait: false,
  }
}

export function queueDeleteArguments(
  queue: string,
  { ifUnused = false, ifEmpty = false }: QueueDeleteOptions,
): ArgsOf<'queue.delete'> {
  return { queue, ifUnused, ifEmpty, noWait: false }
}

/** What the four methods that bind and unbind have in common. */
export function bindingArguments(routingKey: string, options: BindOptions) {
  return { routingKey, arguments: options.arguments ?? NO_ARGUMENTS, noWait: false }
}
