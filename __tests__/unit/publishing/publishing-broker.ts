/**
 * Owns a model of how RabbitMQ treats publishes: it works in order, and answers one that it does not like by closing the
 * channel; what comes behind that is dropped, and what came before it and is not confirmed never will be.
 */
import { type Received, ScriptedPeer } from '../../support/memory/scripted-peer.js'

/**
 * What the broker makes of a message: it takes it, closes the channel without saying over which one, or since the exchange
 * does not exist, returns it, refuses it by nack, takes it and never confirms it, or
 * ends the connection over it.
 */
export type Fate = 'accept' | 'refuse' | 'missing' | 'return' | 'nack' | 'stuck' | 'poison'

export interface BrokerBehaviour {
  /** By the body of the message. */
  fateOf(body: string): Fate
  /** How much of what came is worked on in one turn of the event loop. */
  readonly perTurn: number
  /** The highest channel number; 0 means no limit. */
  readonly channelMax: number
  /** Whether a message is confirmed at once, with all before it, or later and in any order. */
  confirmsAtOnce(body: string): boolean
}

interface ChannelState {
  state: 'open' | 'closing'
  lastTag: number
  unconfirmed: number[]
  /** Something will never be confirmed. */
  stuck: boolean
}

export const REFUSAL = 'PRECONDITION_FAILED - not this one'

export class PublishingBroker {
  readonly peer: ScriptedPeer
  /** The bodies of the messages that it took, in order. */
  readonly accepted: string[] = []
  readonly #behaviour: BrokerBehaviour
  readonly #channels = new Map<number, ChannelState>()
  readonly #inbox: Received[] = []
  #busy = false
  /** The connection has ended: nothing that came is worked on any more. */
  #ended = false

  constructor(behaviour: BrokerBehaviour) {
    this.#behaviour = behaviour
    this.peer = new ScriptedPeer({ tune: { channelMax: behaviour.channelMax } })
    for (const name of [
      'channel.open',
      'confirm.select',
      'basic.publish',
      'channel.close',
      'channel.close-ok',
    ] as const) {
      this.peer.on(name, received => {
        this.#inbox.push(received)
        this.#work()
      })
    }
  }

  /** Breaks the connection. */
  hangUp(): void {
    this.#ended = true
    this.peer.hangUp()
  }

  #work(): void {
    if (this.#busy) return
    this.#busy = true
    setImmediate(() => {
      this.#busy = false
      if (this.#ended) return
      for (const received of this.#inbox.splice(0, this.#behaviour.perTurn)) {
        if (!this.#ended) this.#handle(received)
      }
      if (this.#inbox.length > 0) this.#work()
      else this.#confirmTheRest()
    })
  }

  #handle(received: Received): void {
    const { channel, method } = received
    if (method.name === 'channel.open') {
      this.#channels.set(channel, { state: 'open', lastTag: 0, unconfirmed: [], stuck: false })
      this.peer.send(channel, 'channel.open-ok', {})
      return
    }
    const state = this.#channels.get(channel)
    if (state === undefined) throw new Error(`${method.name} came on channel ${channel}, which is not open`)
    if (method.name === 'channel.close-ok') this.#channels.delete(channel)
    else if (state.state === 'closing') return
    else if (method.name === 'channel.close') this.#onClose(channel)
    else if (method.name === 'confirm.select') this.peer.send(channel, 'confirm.select-ok', {})
    else if (method.name === 'basic.publish') this.#onPublish(received, method.args, state)
  }

  #onPublish(
    { channel, body, header }: Received,
    { exchange, routingKey }: { exchange: string; routingKey: string },
    state: ChannelState,
  ): void {
    const text = body.toString()
    const tag = ++state.lastTag
    switch (this.#behaviour.fateOf(text)) {
      case 'refuse':
        state.state = 'closing'
        this.peer.closeChannel(channel, 406, REFUSAL, 'basic.publish')
        return
      case 'missing': {
        state.state = 'closing'
        const reason = `NOT_FOUND - no exchange '${exchange}' in vhost '/'`
        this.peer.closeChannel(channel, 404, reason, 'basic.publish')
        return
      }
      case 'poison':
        this.peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
        this.#channels.clear()
        this.#ended = true
        return
      case 'stuck':
        this.accepted.push(text)
        state.stuck = true
        return
      case 'nack':
        this.peer.send(channel, 'basic.nack', { deliveryTag: tag, multiple: false, requeue: false })
        return
      case 'return': {
        const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
        const method = this.peer.method(channel, 'basic.return', args)
        this.peer.raw(
          Buffer.concat([method, this.peer.frame(2, channel, header), this.peer.frame(3, channel, body)]),
        )
        break
      }
      case 'accept':
        this.accepted.push(text)
    }
    if (!this.#behaviour.confirmsAtOnce(text)) {
      state.unconfirmed.push(tag)
      return
    }
    if (!state.stuck) state.unconfirmed = []
    this.peer.send(channel, 'basic.ack', { deliveryTag: tag, multiple: !state.stuck })
  }

  #onClose(channel: number): void {
    this.#channels.delete(channel)
    this.peer.send(channel, 'channel.close-ok', {})
  }

  #confirmTheRest(): void {
    for (const [channel, state] of this.#channels) {
      if (state.state === 'closing') continue
      for (const deliveryTag of state.unconfirmed.toReversed()) {
        this.peer.send(channel, 'basic.ack', { deliveryTag, multiple: false })
      }
      state.unconfirmed = []
    }
  }
}
