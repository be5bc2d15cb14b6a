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
  {
    type = 'direct',
    durable = true,
    autoDelete = false,
    internal = false,
    passive = false,
    arguments: args,
  }: ExchangeDeclareOptions,
): ArgsOf<'exchange.declare'> {
  return {
    exchange,
    type,
    passive,
    durable,
    autoDelete,
    internal,
    arguments: args ?? NO_ARGUMENTS,
    noWait: false,
  }
}

export function exchangeDeleteArguments(
  exchange: string,
  { ifUnused = false }: ExchangeDeleteOptions,
): ArgsOf<'exchange.delete'> {
  return { exchange, ifUnused, noWait: false }
}

export function queueDeclareArguments(
  queue: string,
  { exclusive = false, durable, autoDelete = false, passive = false, arguments: args }: QueueDeclareOptions,
): ArgsOf<'queue.declare'> {
  return {
    queue,
    passive,
    durable: durable ?? !exclusive,
    exclusive,
    autoDelete,
    arguments: args ?? NO_ARGUMENTS,
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
export function bindingArguments(routingKey: string, { arguments: args }: BindOptions) {
  return { routingKey, arguments: args ?? NO_ARGUMENTS, noWait: false }
}
