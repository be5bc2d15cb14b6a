/**
 * Owns a model of how RabbitMQ treats publishes: it works in order, and answers one that it does not like by closing the
 * channel; what comes behind that is dropped, and what came before it and is not confirmed never will be.
 */
import { type Received, ScriptedPeer } from '../../support/memory/scripted-peer.js'

/** What the broker makes of a message. */
export type Fate = 'accept' | 'refuse' | 'return' | 'nack'

export interface BrokerBehaviour {
  /** By the body of the message. */
  fateOf(body: string): Fate
  /** How much of what came is worked on in one turn of the event loop. */
  readonly perTurn: number
  /** Whether a message is confirmed at once, with all before it, or later and in any order. */
  confirmsAtOnce(body: string): boolean
}

interface ChannelState {
  state: 'open' | 'closing'
  lastTag: number
  unconfirmed: number[]
}

export const REFUSAL = 'PRECONDITION_FAILED - not this one'

export class PublishingBroker {
  readonly peer = new ScriptedPeer()
  /** The bodies of the messages that it took, in order. */
  readonly accepted: string[] = []
  readonly #behaviour: BrokerBehaviour
  readonly #channels = new Map<number, ChannelState>()
  readonly #inbox: Received[] = []
  #busy = false

  constructor(behaviour: BrokerBehaviour) {
    this.#behaviour = behaviour
    for (const name of ['channel.open', 'confirm.select', 'basic.publish', 'channel.close-ok'] as const) {
      this.peer.on(name, received => {
        this.#inbox.push(received)
        this.#work()
      })
    }
  }

  #work(): void {
    if (this.#busy) return
    this.#busy = true
    setImmediate(() => {
      this.#busy = false
      for (const received of this.#inbox.splice(0, this.#behaviour.perTurn)) this.#handle(received)
      if (this.#inbox.length > 0) this.#work()
      else this.#confirmTheRest()
    })
  }

  #handle(received: Received): void {
    const { channel, method } = received
    if (method.name === 'channel.open') {
      this.#channels.set(channel, { state: 'open', lastTag: 0, unconfirmed: [] })
      this.peer.send(channel, 'channel.open-ok', {})
      return
    }
    const state = this.#channels.get(channel)
    if (state === undefined) throw new Error(`${method.name} came on channel ${channel}, which is not open`)
    if (method.name === 'channel.close-ok') this.#channels.delete(channel)
    else if (state.state === 'closing') return
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
    state.unconfirmed.push(tag)
    if (!this.#behaviour.confirmsAtOnce(text)) return
    state.unconfirmed = []
    this.peer.send(channel, 'basic.ack', { deliveryTag: tag, multiple: true })
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
