/** Owns the requests for topology that come to a broker in memory. Knows nothing of channels and connections. */
import type { Method } from '../../../src/codec/methods.gen.js'
import { bindingKey, type ModelBroker } from './model-broker.js'
import type { ScriptedPeer } from './scripted-peer.js'

/** Where topology is asked for. */
export interface TopologyPlace {
  readonly broker: ModelBroker
  readonly peer: ScriptedPeer
  readonly connection: object
}

/** Does what a request for topology asks for, and answers it. */
export function doTopology(
  { broker, peer, connection }: TopologyPlace,
  number: number,
  method: Method,
): void {
  switch (method.name) {
    case 'exchange.declare':
      broker.declareExchange(method.args.exchange, method.args.autoDelete)
      peer.send(number, 'exchange.declare-ok', {})
      break
    case 'exchange.delete':
      broker.deleteExchange(method.args.exchange, 'user')
      peer.send(number, 'exchange.delete-ok', {})
      break
    case 'exchange.bind':
    case 'exchange.unbind': {
      const { source, destination, routingKey: key } = method.args
      const binding = { source, destination, key, kind: 'exchange' } as const
      if (method.name === 'exchange.bind') broker.bind(binding)
      else broker.unbind(binding, 'user')
      peer.send(number, `${method.name}-ok`, {})
      break
    }
    case 'queue.declare': {
      const { queue, passive, exclusive, autoDelete, arguments: args } = method.args
      const expires = args['x-expires']
      const traits = {
        owner: exclusive ? connection : undefined,
        autoDelete,
        expires: expires === undefined ? undefined : Number(expires),
      }
      if (passive) broker.use(queue, connection)
      const name = passive ? queue : broker.declareQueue(queue, traits)
      peer.send(number, 'queue.declare-ok', { queue: name, messageCount: 0, consumerCount: 0 })
      break
    }
    case 'queue.delete': {
      const { queue } = method.args
      if (broker.queues.has(queue)) broker.use(queue, connection)
      broker.deleteQueue(queue, 'user')
      peer.send(number, 'queue.delete-ok', { messageCount: 0 })
      break
    }
    case 'queue.bind':
    case 'queue.unbind': {
      const { exchange: source, queue: destination, routingKey: key } = method.args
      const binding = { source, destination, key, kind: 'queue' } as const
      if (method.name === 'queue.bind') {
        broker.use(destination, connection)
        broker.bind(binding)
      } else broker.unbind(binding, 'user')
      peer.send(number, `${method.name}-ok`, {})
      break
    }
    default:
      throw new Error(`nobody expects ${method.name}`)
  }
}

/** The part of the topology that a request brings into being. */
export function partOf({ name, args }: Method): string | undefined {
  switch (name) {
    case 'exchange.declare':
      return `exchange ${args.exchange}`
    case 'queue.declare':
      return `queue ${args.queue}`
    case 'queue.bind':
      return bindingKey({ source: args.exchange, destination: args.queue, key: args.routingKey })
    case 'exchange.bind':
      return bindingKey({ source: args.source, destination: args.destination, key: args.routingKey })
    default:
      return undefined
  }
}
