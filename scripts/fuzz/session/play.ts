/**
 * Owns the playing of a conversation: its steps one by one, then its end, at which nothing may be left open. Knows nothing of
 * how steps are made up.
 */
import debug from 'debug'
import type { ClientOptions } from '../../../src/client-options.js'
import { type MethodName, methods } from '../../../src/codec/methods.gen.js'
import { BrokenInvariant, demand, FuzzError } from '../errors.js'
import { parseBytes } from '../notation.js'
import { Broker, type Tune } from './broker.js'
import { Clock } from './clock.js'
import { calls, User } from './user.js'
import { type Fault, Wire } from './wire.js'

/** Turns of the event loop after which all that is under way in memory has arrived. */
const TURNS = 4
/** So many times a timer may be waited for at the end. */
const MOST_ROUNDS = 200
/** One client may connect so often: a broker that always hangs up ends no conversation. */
const MOST_CONNECTIONS = 30
const LONGEST_WAIT = 100_000

export class Conversation {
  readonly #clock = new Clock()
  readonly #wires: Wire[] = []
  readonly #brokers: Broker[] = []
  /** Faults that are set before there is a connection meet the next one. */
  readonly #ahead: Fault[] = []
  #chunk = 0
  #mute = false
  #tune: Tune = { channelMax: 0, frameMax: 0, heartbeat: 0 }
  #options: ClientOptions = { heartbeat: 0, recovery: false, maxMessageSize: 10_000 }
  #user: User | undefined

  /** Plays the steps and the end. Throws what does not hold; returns what came of it in a few words. */
  async play(steps: readonly string[]): Promise<string> {
    const logged: unknown[] = []
    const { log } = debug
    const namespaces = debug.disable()
    debug.enable('puka:error')
    debug.log = (...args: unknown[]) => logged.push(args)
    this.#clock.start()
    try {
      for (const step of steps) await this.#step(step)
      await this.#end()
    } finally {
      this.#clock.stop()
      debug.log = log
      debug.enable(namespaces)
    }
    const { ledger } = this.user
    const [fault] = ledger.faults
    if (fault !== undefined) throw fault
    demand(logged.length === 0, () => `an error was only logged: ${JSON.stringify(logged[0]).slice(0, 300)}`)
    return ledger.outcomes.sort().join(', ')
  }

  get user(): User {
    this.#user ??= new User({ ...this.#options, transport: () => this.#connect() })
    return this.#user
  }

  #connect(): Wire {
    if (this.#wires.length >= MOST_CONNECTIONS) throw new Error('no more connections')
    const wire = new Wire()
    wire.chunk = this.#chunk
    for (const fault of this.#ahead.splice(0)) wire.fault(fault)
    const broker = new Broker(wire, this.#tune)
    broker.mute = this.#mute
    const receive = wire.onWrite
    // A transport that throws is a broken one: what the broker has to say of the client must not look like that.
    wire.onWrite = bytes => {
      try {
        receive(bytes)
      } catch (error) {
        this.user.ledger.faults.push(error)
      }
    }
    this.#wires.push(wire)
    this.#brokers.push(broker)
    return wire
  }

  async #step(step: string): Promise<void> {
    const [verb = '', ...words] = step.split(/\s+/)
    const number = (at: number): number => Number(words[at]) || 0
    const wire = this.#wires.at(-1)
    const broker = this.#brokers.at(-1)
    if (verb in calls) return this.user.call(verb, words)
    switch (verb) {
      case 'options':
        return this.#configure(words)
      case 'turn':
        return this.#turn()
      case 'wait':
        return this.#pass(Math.min(number(0), LONGEST_WAIT))
      case 'pass':
      case 'drop':
      case 'twice':
      case 'swap':
      case 'hold':
        return this.#fault({ kind: verb })
      case 'cut':
      case 'hang-up-after':
        return this.#fault({ kind: verb, bytes: number(0) })
      case 'flip':
        return this.#fault({ kind: verb, at: number(0), bits: number(1) & 0xff })
      case 'channel':
        return this.#fault({ kind: verb, number: number(0) & 0xffff })
      case 'chunk':
        this.#chunk = number(0)
        if (wire !== undefined) wire.chunk = number(0)
        return
      case 'raw':
        return wire?.raw(parseBytes(words.join(' ')))
      case 'release':
        return wire?.release()
      case 'replay':
        return wire?.replay(number(0))
      case 'congest':
        if (wire !== undefined) wire.congested = true
        return
      case 'hasty':
        if (wire !== undefined) wire.isHasty = true
        return
      case 'break':
        if (wire !== undefined) wire.isBroken = true
        return
      case 'restless':
        if (wire !== undefined) wire.isRestless = true
        return
      case 'uncongest':
        return wire?.drain()
      case 'hang-up':
        return wire?.hangUp(words[0] === undefined ? undefined : new Error('ECONNRESET'))
      case 'mute':
      case 'unmute':
        this.#mute = verb === 'mute'
        if (broker !== undefined) broker.mute = this.#mute
        return
      case 'deliver':
        return broker?.deliver(number(0), number(1) % 30_000)
      case 'broker-cancel':
        return broker?.cancel(number(0))
      case 'blocked':
        return broker?.send(0, 'connection.blocked', { reason: 'low on memory' })
      case 'unblocked':
        return broker?.send(0, 'connection.unblocked', {})
      case 'close-channel':
        return broker?.closeChannel(number(0) & 0xffff, number(1) & 0xffff, methodNamed(words[2]))
      case 'close-connection':
        return broker?.closeConnection(number(0) & 0xffff, methodNamed(words[1]))
      default:
        throw new FuzzError(`there is no step ${verb}`)
    }
  }

  #fault(fault: Fault): void {
    const wire = this.#wires.at(-1)
    if (wire === undefined || wire.closed) this.#ahead.push(fault)
    else wire.fault(fault)
  }

  /** Only at the beginning: later there is a client. */
  #configure(words: readonly string[]): void {
    const has = (word: string): boolean => words.includes(word)
    if (has('recovery')) this.#options = { ...this.#options, recovery: { initialDelay: 10, maxDelay: 1000 } }
    if (has('separate')) this.#options = { ...this.#options, publishConnection: 'separate' }
    if (has('heartbeat')) this.#options = { ...this.#options, heartbeat: 1 }
    if (has('offline-fail')) this.#options = { ...this.#options, whileOffline: 'fail' }
    if (has('few')) this.#options = { ...this.#options, operationConcurrency: 1, maxPendingPublishes: 3 }
    const channelMax = has('few-channels') ? 4 : 0
    this.#tune = { channelMax, frameMax: has('small-frames') ? 4096 : 0, heartbeat: has('heartbeat') ? 1 : 0 }
  }

  async #turn(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      for (const wire of this.#wires) await wire.deliver()
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  async #pass(milliseconds: number): Promise<void> {
    let left = milliseconds
    for (let rounds = 0; rounds < MOST_ROUNDS && left > 0; rounds++) {
      left = this.#clock.pass(left)
      await this.#turn()
    }
  }

  get #isQuiet(): boolean {
    return this.#wires.every(({ closed }) => closed)
  }

  /** The client is closed, and whatever it still waits for comes to pass. */
  async #end(): Promise<void> {
    const { user } = this
    await this.#turn()
    user.call('close', [])
    for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
      await this.#turn()
      if (this.#clock.running === 0 && user.ledger.open.length === 0 && this.#isQuiet) break
      this.#clock.pass(LONGEST_WAIT)
    }
    const { open } = user.ledger
    demand(open.length === 0, `a promise is open at the end: ${open[0]}`)
    demand(this.#clock.running === 0, `${this.#clock.running} timers run at the end`)
    demand(this.#isQuiet, 'a connection is open at the end')
    if (user.client.state.name !== 'closed')
      throw new BrokenInvariant(`the client is ${user.client.state.name}`)
  }
}

function methodNamed(name: string | undefined): MethodName | undefined {
  return name !== undefined && name in methods ? (name as MethodName) : undefined
}
