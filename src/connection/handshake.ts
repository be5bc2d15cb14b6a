/**
 * Owns the beginning of a connection: authentication, tuning and the opening of the virtual host (AMQP 0-9-1, section
 * 2.2.4 "The Connection Class"). It sees methods of channel 0 in order, and knows nothing of what follows.
 */

import type { Mechanism } from '../client-options.js'
import type { ServerInfo } from '../client-state.js'
import type { ArgsOf, Method, MethodName } from '../codec/methods.gen.js'
import { ACCESS_REFUSED, FRAME_ERROR } from '../constants.gen.js'
import { debugConnection } from '../debug.js'
import {
  type AmqpError,
  AuthenticationError,
  CommandInvalidError,
  ConnectionBrokenError,
  NotAllowedError,
  ProtocolError,
  TimeoutError,
} from '../errors.js'
import { FRAME_MIN_SIZE } from '../frame/constants.js'
import { errorFromReply } from '../reply-errors.js'
import type { Table } from '../util/field-value.js'
import { type Deferred, defer } from '../util/promise.js'
import { authenticationResponse, chooseMechanism } from './authentication.js'
import type { ConnectionConfig } from './connection-config.js'
import { checkStartOk, unansweredStartOk } from './start-ok.js'

/** What both sides agreed on. */
export interface Tuning {
  /** Bytes; 0: no limit. */
  readonly frameMax: number
  readonly channelMax: number
  /** Seconds; 0: none. */
  readonly heartbeat: number
}

/** What the handshake needs of its connection. */
export interface HandshakeHost {
  send<N extends MethodName>(name: N, args: ArgsOf<N>): void
  /** The agreed values hold from now on. */
  onTuned(tuning: Tuning): void
}

/** So often a server may ask for more than the response that our mechanisms give. */
const MOST_CHALLENGES = 3
/** So many methods may come before they are taken: a server has to wait for our answers. */
const MOST_AHEAD = 64

/** How far it has come: what a failure means depends on it. */
type Stage = 'start' | 'authentication' | 'open'

export class Handshake {
  readonly #host: HandshakeHost
  readonly #config: ConnectionConfig
  readonly #inbox: Method[] = []
  #waiting: Deferred<Method> | undefined
  #stage: Stage = 'start'
  #failure: AmqpError | undefined
  /** What was sent to be let in. */
  #startOk: ArgsOf<'connection.start-ok'> | undefined
  /** The server refuses credentials by connection.close (`authentication_failure_close`). */
  #saysRefusals = false

  constructor(host: HandshakeHost, config: ConnectionConfig) {
    this.#host = host
    this.#config = config
  }

  /** A method came on channel 0. Throws if more come ahead than a server can have reason to send. */
  onMethod(method: Method): void {
    if (this.#waiting !== undefined) {
      this.#waiting.resolve(method)
      this.#waiting = undefined
      return
    }
    if (this.#inbox.length === MOST_AHEAD) {
      throw new CommandInvalidError(`${method.name} came behind ${MOST_AHEAD} others during the handshake`)
    }
    this.#inbox.push(method)
  }

  /** The connection ended before the handshake did. */
  fail(reason: AmqpError): void {
    this.#failure = reason
    this.#waiting?.reject(this.#explain(reason))
    this.#waiting = undefined
  }

  /** Runs from connection.start to connection.open-ok. */
  async run(): Promise<ServerInfo> {
    const start = await this.#expect('connection.start')
    const { versionMajor, versionMinor } = start.args
    if (versionMajor !== 0 || versionMinor !== 9) {
      throw new ProtocolError(`the server speaks AMQP ${versionMajor}-${versionMinor}, not 0-9-1`)
    }
    const info = serverInfo(start.args, this.#config.hostLabel)
    this.#host.onTuned(this.#tune(await this.#authenticate(info)))
    this.#stage = 'open'
    this.#host.send('connection.open', { virtualHost: this.#config.vhost })
    await this.#expect('connection.open-ok')
    // A server may have second thoughts at once.
    if (this.#inbox[0]?.name === 'connection.close') await this.#expect()
    return info
  }

  /** What came on the heels of the handshake, and is not part of it. */
  rest(): Method[] {
    return this.#inbox.splice(0)
  }

  async #authenticate(info: ServerInfo): Promise<ArgsOf<'connection.tune'>> {
    this.#stage = 'authentication'
    this.#saysRefusals = info.capabilities.authentication_failure_close === true
    const mechanism: Mechanism = chooseMechanism(info.mechanisms, this.#config)
    debugConnection('%s: authenticating by %s', info.host, mechanism)
    const response = authenticationResponse(mechanism, this.#config)
    const { clientProperties } = this.#config
    const startOk = { clientProperties, mechanism, response, locale: 'en_US' }
    checkStartOk(startOk, info, this.#config.frameMax)
    this.#startOk = startOk
    this.#host.send('connection.start-ok', startOk)
    for (let challenges = 0; challenges <= MOST_CHALLENGES; challenges++) {
      const method = await this.#expect('connection.tune', 'connection.secure')
      if (method.name === 'connection.tune') return method.args
      // None of our mechanisms takes a second step; the same answer leaves the decision to the server.
      if (challenges < MOST_CHALLENGES) this.#host.send('connection.secure-ok', { response })
    }
    throw new AuthenticationError(
      `connect: the server has asked for more ${MOST_CHALLENGES + 1} times (connection.secure), and ${mechanism} has no more to give`,
      { operation: 'connect' },
    )
  }

  /** Of two limits the lower one holds, and 0 means none. */
  #tune(server: ArgsOf<'connection.tune'>): Tuning {
    const { frameMax, channelMax, heartbeat } = this.#config
    const tuning: Tuning = {
      frameMax: lower(frameMax, server.frameMax),
      channelMax: lower(channelMax, server.channelMax),
      heartbeat: heartbeat === 0 ? 0 : lower(heartbeat, server.heartbeat),
    }
    if (tuning.frameMax !== 0 && tuning.frameMax < FRAME_MIN_SIZE) {
      throw new ProtocolError(
        `the server allows frames of ${tuning.frameMax} bytes; AMQP demands ${FRAME_MIN_SIZE}`,
      )
    }
    debugConnection('tuned: %o', tuning)
    this.#host.send('connection.tune-ok', tuning)
    return tuning
  }

  async #expect<N extends MethodName>(...names: N[]): Promise<Extract<Method, { name: N }>> {
    const method = await this.#next()
    if (method.name === 'connection.close') {
      this.#host.send('connection.close-ok', {})
      const { replyCode, replyText, classId, methodId } = method.args
      throw this.#explain(errorFromReply(replyCode, replyText, { operation: 'connect', classId, methodId }))
    }
    if (!(names as string[]).includes(method.name)) {
      throw new CommandInvalidError(
        `${method.name} came during the handshake, where ${names.join(' or ')} was due`,
      )
    }
    return method as Extract<Method, { name: N }>
  }

  #next(): Promise<Method> {
    const method = this.#inbox.shift()
    if (method !== undefined) return Promise.resolve(method)
    if (this.#failure !== undefined) return Promise.reject(this.#explain(this.#failure))
    this.#waiting = defer<Method>()
    return this.#waiting.promise
  }

  /** A server that refuses credentials says 403, or, as AMQP had it at first, just hangs up. */
  #explain(reason: AmqpError): AmqpError {
    if (this.#stage !== 'authentication') return reason
    const { replyCode } = reason
    const isNoAnswer = reason instanceof ConnectionBrokenError || reason instanceof TimeoutError
    if (this.#startOk !== undefined && (isNoAnswer || replyCode === FRAME_ERROR)) {
      const tooLarge = unansweredStartOk(this.#startOk, reason)
      if (tooLarge !== undefined) return tooLarge
    }
    if (replyCode === undefined && reason instanceof ConnectionBrokenError && !this.#saysRefusals) {
      return new AuthenticationError('connect: the server hung up during authentication', {
        operation: 'connect',
        cause: reason,
      })
    }
    // RabbitMQ says 530 where the user may not connect at all, for example a guest from afar.
    if (replyCode !== ACCESS_REFUSED && !(reason instanceof NotAllowedError)) return reason
    return new AuthenticationError(reason.message, { operation: 'connect', replyCode, cause: reason })
  }
}

function lower(ours: number, theirs: number): number {
  return ours === 0 || theirs === 0 ? Math.max(ours, theirs) : Math.min(ours, theirs)
}

function serverInfo(start: ArgsOf<'connection.start'>, host: string): ServerInfo {
  const { serverProperties: properties } = start
  const text = (name: string): string => {
    const value = properties[name]
    return typeof value === 'string' ? value : ''
  }
  return {
    product: text('product'),
    version: text('version'),
    platform: text('platform'),
    capabilities: capabilities(properties.capabilities),
    mechanisms: words(start.mechanisms),
    locales: words(start.locales),
    properties,
    host,
  }
}

function capabilities(value: Table[string]): Record<string, boolean> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean'),
  )
}

function words(text: Buffer): string[] {
  return text
    .toString('utf8')
    .split(' ')
    .filter(word => word !== '')
}
