/**
 * Owns one connection to a broker in memory: it plays a scripted peer that does what the broker's model says, and what its
 * faults say. Knows nothing of other connections.
 */
import type { MethodName } from '../../../src/codec/methods.gen.js'
import { BrokerChannel } from './broker-channel.js'
import type { BrokerFaults } from './broker-faults.js'
import { doTopology, partOf } from './broker-topology.js'
import { type ModelBroker, Refusal } from './model-broker.js'
import type { Received, ScriptedPeer } from './scripted-peer.js'

/** What it tells of, and asks. */
export interface BrokerConnectionHost {
  /** A publish has come, and was put into these queues, or was refused. */
  onPublish(received: Received<'basic.publish'>, queues: readonly string[] | Refusal): void
  /** Whether a secret lets somebody in. */
  isValid(secret: string): boolean
  onSecret(secret: string): void
  /** A client did what no client may. */
  onOffence(text: string): void
}

const TAKEN: readonly MethodName[] = [
  ...(['connection.start-ok', 'connection.tune-ok', 'connection.open', 'connection.close'] as const),
  ...(['connection.close-ok', 'connection.update-secret'] as const),
  ...(['channel.open', 'channel.close', 'channel.close-ok', 'confirm.select'] as const),
  ...(['exchange.declare', 'exchange.delete', 'exchange.bind', 'exchange.unbind'] as const),
  ...(['queue.declare', 'queue.delete', 'queue.bind', 'queue.unbind'] as const),
  ...(['basic.qos', 'basic.consume', 'basic.cancel', 'basic.publish'] as const),
  ...(['basic.ack', 'basic.nack', 'basic.reject'] as const),
]
/** How RabbitMQ refuses with these codes: by the end of the connection. */
const HARD = new Set([320, 501, 502, 503, 504, 505, 530, 540, 541])

export class BrokerConnection {
  isOpen = false
  readonly #channels = new Map<number, BrokerChannel>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #limits = { frameMax: 0, channelMax: 0 }
  /** It is over, or waits for its close-ok: what comes means nothing. */
  #isOver = false
  #isBroken = false
  #isReleased = false
  #came = 0

  constructor(
    readonly peer: ScriptedPeer,
    readonly broker: ModelBroker,
    readonly faults: BrokerFaults,
    readonly host: BrokerConnectionHost,
  ) {
    for (const name of TAKEN) peer.on(name, received => this.#take(received))
    peer.onGone = () => this.#onGone()
    this.#limits = { frameMax: faults.frameMax, channelMax: faults.channelMax }
  }

  /** Ends the connection without a word. */
  break(): void {
    if (this.peer.clientGone) return
    // What is on its way is lost.
    this.#isBroken = true
    this.peer.hangUp()
  }

  block(reason: string | undefined): void {
    if (!this.isOpen || this.#isOver) return
    if (reason === undefined) this.peer.send(0, 'connection.unblocked', {})
    else this.peer.send(0, 'connection.blocked', { reason })
  }

  /** What it held is free again: its queues, its consumers, its unacknowledged messages. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.stop()
    for (const channel of this.#channels.values()) channel.close('connection')
    for (const [name, { owner }] of [...this.broker.queues])
      if (owner === this) this.broker.deleteQueue(name, 'connection')
  }

  /** No timer of it is left. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  #onGone(): void {
    this.#isOver = true
    this.isOpen = false
    this.stop()
    this.#checkFrames()
    if (this.#isReleased) return
    this.#later(this.faults.hold, () => this.release())
  }

  #later(milliseconds: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, milliseconds)
    this.#timers.add(timer)
  }

  #take(received: Received): void {
    if (this.faults.breakAt !== undefined && this.isOpen && ++this.#came >= this.faults.breakAt) {
      this.faults.breakAt = undefined
      this.break()
      return
    }
    if (this.faults.isSlow) setImmediate(() => this.#inTurn(received))
    else this.#inTurn(received)
  }

  #inTurn(received: Received): void {
    if (this.#isBroken) return
    // Both sides may close at once: each answers the other one.
    if (this.#isOver && !received.method.name.startsWith('connection.close')) return
    const channel = this.#channels.get(received.channel)
    if (channel?.backlog !== undefined) {
      channel.backlog.push(() => this.#inTurn(received))
      return
    }
    if (channel?.isClosed === true && !received.method.name.startsWith('channel.')) return
    const part = partOf(received.method)
    const silence = part === undefined ? undefined : this.faults.silenceOf(part)
    if (silence === undefined || channel === undefined) this.#handle(received, part)
    else this.#afterSilence(channel, received, part ?? '', silence)
  }

  #afterSilence(channel: BrokerChannel, received: Received, part: string, milliseconds: number): void {
    channel.backlog = []
    if (milliseconds === Number.POSITIVE_INFINITY) return
    this.#later(milliseconds, () => {
      const { backlog = [] } = channel
      channel.backlog = undefined
      this.#handle(received, part)
      for (const act of backlog) act()
    })
  }

  #handle(received: Received, part: string | undefined): void {
    const { channel, method } = received
    if (channel !== 0 && !this.#channels.has(channel) && !method.name.startsWith('channel.')) {
      this.host.onOffence(`${method.name} on channel ${channel}, which is not open`)
      return
    }
    try {
      const refusal = part === undefined ? undefined : this.faults.refusalOf(part)
      if (refusal !== undefined) throw refusal
      this.#do(received)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const about = error.namesMethod ? method.name : undefined
      if (method.name === 'basic.publish') this.host.onPublish(received as Received<'basic.publish'>, error)
      if (HARD.has(error.code)) {
        this.#isOver = true
        this.peer.closeConnection(error.code, error.message, about)
        return
      }
      this.#channel(channel).close('connection')
      this.peer.closeChannel(channel, error.code, error.message, about)
    }
  }

  #channel(number: number): BrokerChannel {
    const channel = this.#channels.get(number)
    if (channel === undefined) throw new Refusal(504, `CHANNEL_ERROR - no channel ${number}`)
    return channel
  }

  #do(received: Received): void {
    const { channel: number, method } = received
    const { peer, broker } = this
    switch (method.name) {
      case 'connection.start-ok': {
        const secret = method.args.response.toString().split('\0')[2] ?? ''
        if (this.host.isValid(secret)) peer.send(0, 'connection.tune', { ...this.#limits, heartbeat: 0 })
        else peer.closeConnection(403, 'ACCESS_REFUSED - login was refused')
        break
      }
      case 'connection.tune-ok':
        this.#limits = method.args
        break
      case 'connection.open':
        peer.send(0, 'connection.open-ok', {})
        this.#onOpen()
        break
      case 'connection.close':
        this.release()
        peer.send(0, 'connection.close-ok', {})
        peer.hangUp()
        break
      case 'connection.close-ok':
        peer.hangUp()
        break
      case 'connection.update-secret':
        this.host.onSecret(method.args.newSecret.toString())
        peer.send(0, 'connection.update-secret-ok', {})
        break
      case 'channel.open':
        if (this.#limits.channelMax > 0 && number > this.#limits.channelMax)
          this.host.onOffence(`channel ${number} of ${this.#limits.channelMax}`)
        this.#channels.set(number, new BrokerChannel(broker, peer, number))
        peer.send(number, 'channel.open-ok', {})
        break
      case 'channel.close':
        this.#channels.get(number)?.close('user')
        this.#channels.delete(number)
        peer.send(number, 'channel.close-ok', {})
        break
      case 'channel.close-ok':
        this.#channels.delete(number)
        break
      case 'confirm.select':
        this.#channel(number).confirmed ??= 0
        peer.send(number, 'confirm.select-ok', {})
        break
      case 'basic.publish': {
        const channel = this.#channel(number)
        const { exchange, routingKey } = method.args
        const queues = broker.publish(exchange, routingKey, received.body)
        this.host.onPublish(received as Received<'basic.publish'>, queues)
        if (channel.confirmed === undefined) break
        peer.send(number, 'basic.ack', { deliveryTag: ++channel.confirmed, multiple: false })
        break
      }
      case 'basic.qos':
        this.#channel(number).prefetch = method.args.prefetchCount
        peer.send(number, 'basic.qos-ok', {})
        break
      case 'basic.consume': {
        const { queue, consumerTag } = method.args
        broker.use(queue, this)
        peer.send(number, 'basic.consume-ok', { consumerTag })
        this.#channel(number).consume(queue, consumerTag)
        break
      }
      case 'basic.cancel':
        this.#channel(number).cancel(method.args.consumerTag)
        peer.send(number, 'basic.cancel-ok', { consumerTag: method.args.consumerTag })
        break
      case 'basic.ack':
        this.#channel(number).settle(method.args.deliveryTag, method.args.multiple, false)
        break
      case 'basic.nack':
        this.#channel(number).settle(method.args.deliveryTag, method.args.multiple, method.args.requeue)
        break
      case 'basic.reject':
        this.#channel(number).settle(method.args.deliveryTag, false, method.args.requeue)
        break
      default:
        doTopology({ broker, peer, connection: this }, number, method)
    }
  }

  #onOpen(): void {
    this.isOpen = true
    const { blocked, breakAfter } = this.faults
    this.block(blocked)
    if (breakAfter === undefined) return
    this.faults.breakAfter = undefined
    this.#later(breakAfter, () => this.break())
  }

  /** No frame that came was larger than was agreed on. */
  #checkFrames(): void {
    const { frameMax } = this.#limits
    const bytes = Buffer.concat(this.peer.writes).subarray(8)
    for (let at = 0; at + 7 <= bytes.length; ) {
      const size = bytes.readUInt32BE(at + 3) + 8
      if (frameMax > 0 && size > frameMax) this.host.onOffence(`a frame of ${size} bytes, not ${frameMax}`)
      at += size
    }
  }
}
