/** Owns the attributes of spans and metrics (OpenTelemetry, "Semantic Conventions for Messaging", "for RabbitMQ"). */
import type { Attributes } from '@opentelemetry/api'
import { AmqpError, type Client, type Message, type PublishTrace } from '../index.js'

const SYSTEM = { 'messaging.system': 'rabbitmq' } as const

/** What an operation is, in the words of the conventions. */
export function operationAttributes(name: string, type: string): Attributes {
  return { ...SYSTEM, 'messaging.operation.name': name, 'messaging.operation.type': type }
}

/** The broker that a client is connected to. */
export function serverAttributes({ state }: Client): Attributes {
  if (state.name !== 'open') return {}
  const [, host = state.server.host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(state.server.host) ?? []
  return { 'server.address': host, ...(port === undefined ? {} : { 'server.port': Number(port) }) }
}

/** Exchange and routing key, as far as there are some; the default exchange leads to a queue. */
export function destinationOf(exchange: string, routingKey: string): string {
  return [exchange, routingKey].filter(part => part !== '').join(':') || 'amq.default'
}

export function publishAttributes({ exchange, routingKey, body, options, client }: PublishTrace): Attributes {
  return {
    ...operationAttributes('publish', 'send'),
    ...serverAttributes(client),
    'messaging.destination.name': destinationOf(exchange, routingKey),
    ...optional('messaging.rabbitmq.destination.routing_key', routingKey || undefined),
    ...optional('messaging.message.id', options.messageId),
    ...optional('messaging.message.conversation_id', options.correlationId),
    'messaging.message.body.size': typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength,
  }
}

export function messageAttributes(message: Message): Attributes {
  const { exchange, routingKey, deliveryTag } = message
  return {
    'messaging.destination.name': destinationOf(exchange, routingKey),
    ...optional('messaging.rabbitmq.destination.routing_key', routingKey || undefined),
    'messaging.rabbitmq.message.delivery_tag': deliveryTag,
    ...propertyAttributes(message),
    'messaging.message.body.size': message.body.length,
  }
}

function propertyAttributes(message: Message): Attributes {
  try {
    const { messageId, correlationId } = message.properties
    return {
      ...optional('messaging.message.id', messageId),
      ...optional('messaging.message.conversation_id', correlationId),
    }
  } catch {
    // Properties that cannot be decoded are the reader's trouble.
    return {}
  }
}

/** A name for what failed, of which there are few. */
export function errorType(error: unknown): string {
  if (error instanceof AmqpError) return error.code
  return error instanceof Error ? error.name : '_OTHER'
}

function optional(name: string, value: string | undefined): Attributes {
  return value === undefined ? {} : { [name]: value }
}
