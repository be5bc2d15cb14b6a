/**
 * Owns where a client may connect to: the URLs, or the function that gives them anew before each attempt, the hosts
 * beside them, the order in which they are tried, the trying, and the warning of a password that anybody can read.
 */

import type { ClientOptions, UrlSource } from '../client-options.js'
import { type ConnectionConfig, resolveConfig } from '../connection/connection-config.js'
import { ArgumentError, AuthenticationError, ConnectionBrokenError, TimeoutError } from '../errors.js'
import { hostLabel, parseHost } from '../url.js'
import { onAbort } from '../util/abort.js'
import { isLoopback } from '../util/loopback.js'
import { defer } from '../util/promise.js'
import { Secrets } from './secrets.js'

export class Hosts {
  readonly #source: UrlSource
  readonly #options: ClientOptions
  readonly #shuffled: boolean
  /** Undefined where a function gives the URLs: they are known only when it is asked. */
  readonly #fixed: readonly ConnectionConfig[] | undefined
  /** What takes the place of the password (connection.update-secret), unless a function gives the URLs. */
  readonly secrets = new Secrets()
  /** What is tried at the next attempt; where a function says so, what was tried at the last. */
  #order: readonly ConnectionConfig[]
  /** How long the user's function may take, in milliseconds. */
  readonly #patience: number
  #hasWarned = false

  /** Throws {@link ArgumentError} if a URL, a host or an option is invalid. */
  constructor(source: UrlSource, options: ClientOptions) {
    const { hostOrder = 'shuffled' } = options
    if (hostOrder !== 'shuffled' && hostOrder !== 'fixed') {
      throw new ArgumentError("hostOrder must be 'shuffled' or 'fixed'")
    }
    this.#source = source
    this.#options = options
    this.#shuffled = hostOrder === 'shuffled'
    // What the options say is checked at once, also if the URL comes later.
    this.#patience = resolveConfig(undefined, options).connectTimeout
    checkHosts(options.hosts)
    this.#fixed = typeof source === 'function' ? undefined : this.#resolve(source)
    this.#order = this.#fixed === undefined ? [] : this.#arrange(this.#fixed)
  }

  /** The host that comes first at the next attempt; where a function says so, the first of the last attempt. */
  get next(): string {
    return this.#order[0]?.hostLabel ?? ''
  }

  /**
   * Where to connect, in the order to try. Rejects as the user's function does, or if that takes too long, or with the
   * reason of the signal.
   */
  async candidates(signal?: AbortSignal): Promise<readonly ConnectionConfig[]> {
    if (this.#fixed === undefined) {
      this.#order = this.#arrange(await this.#ask(signal))
      this.#warnOfExposure(this.#order)
      return this.#order
    }
    const order = this.#order
    this.#order = this.#arrange(this.#fixed)
    this.#warnOfExposure(order)
    return order
  }

  /**
   * Opens what `open` does at one host, with the credentials of the moment. Where the broker refuses a secret that it had
   * not let the user in with before, the one that it had is tried.
   */
  async openWithSecrets<T>(
    config: ConnectionConfig,
    open: (config: ConnectionConfig) => Promise<T>,
  ): Promise<T> {
    if (this.#fixed === undefined) return open(config)
    const { secrets } = this
    const refused = new Set<string>()
    let failure: AuthenticationError | undefined
    for (;;) {
      // Another one may have come meanwhile.
      const password = secrets.inOrder(config.credentials.password).find(secret => !refused.has(secret))
      if (password === undefined) throw failure
      try {
        const opened = await open({ ...config, credentials: { ...config.credentials, password } })
        secrets.onLetIn(password, config.credentials.password, refused, failure)
        return opened
      } catch (error) {
        if (!(error instanceof AuthenticationError)) throw error
        failure ??= error
        refused.add(password)
      }
    }
  }

  /** The same host, as the URLs of the moment have it. Rejects as the user's function does. */
  async renew(config: ConnectionConfig): Promise<ConnectionConfig> {
    if (this.#fixed !== undefined) return config
    const configs = await this.#ask()
    return configs.find(({ hostLabel }) => hostLabel === config.hostLabel) ?? config
  }

  async #ask(signal?: AbortSignal): Promise<readonly ConnectionConfig[]> {
    const urls = await answerWithin(this.#patience, this.#source as UrlFunction, signal)
    return this.#resolve(urls)
  }

  #warnOfExposure(configs: readonly ConnectionConfig[]): void {
    const exposed = this.#hasWarned ? undefined : configs.find(isExposed)
    if (exposed === undefined) return
    this.#hasWarned = true
    process.emitWarning(
      `puka-amqp sends the password to ${exposed.hostLabel} unencrypted: use amqps://`,
      'SecurityWarning',
      'PUKA_AMQP_CLEARTEXT_PASSWORD',
    )
  }

  #arrange(configs: readonly ConnectionConfig[]): readonly ConnectionConfig[] {
    return this.#shuffled ? shuffle(configs) : configs
  }

  #resolve(urls: string | readonly string[]): readonly ConnectionConfig[] {
    const given = typeof urls === 'string' ? [urls] : urls
    if (!Array.isArray(given) || given.length === 0) {
      throw new ArgumentError('the URL must be a string, several in an array, or a function that gives them')
    }
    // Array.from fills the holes of an array, which some and map step over.
    const list: readonly string[] = Array.from(given)
    if (list.some(url => typeof url !== 'string')) throw new ArgumentError('every URL must be a string')
    const own = list.map(url => resolveConfig(url, this.#options))
    if (own.some(({ address }) => (address.tls === undefined) !== (own[0]?.address.tls === undefined))) {
      throw new ArgumentError(
        'the URLs must be all amqp:// or all amqps://: one of them alone would not encrypt',
      )
    }
    const [first] = own as [ConnectionConfig]
    const further = this.#options.hosts ?? []
    return [...own, ...further.map((text, index) => atHost(first, text, index))]
  }
}

type UrlFunction = Extract<UrlSource, () => unknown>

function checkHosts(hosts: ClientOptions['hosts'] = []): void {
  const all: readonly unknown[] = Array.isArray(hosts) ? Array.from(hosts) : [undefined]
  if (all.some(host => typeof host !== 'string' || host === '')) {
    throw new ArgumentError('hosts must be an array of strings, each host or host:port')
  }
  for (const [index, host] of hosts.entries()) parseHost(host, false, nameOf(index))
}

function nameOf(index: number): string {
  return `hosts[${index}]`
}

/** The same, at another host. */
function atHost(config: ConnectionConfig, text: string, index: number): ConnectionConfig {
  const { host, port } = parseHost(text, config.address.tls !== undefined, nameOf(index))
  return {
    ...config,
    address: { ...config.address, host, port },
    hostLabel: config.address.path ?? hostLabel(host, port),
  }
}

/** Whether anybody on the way can read the password. Of a transport of the user's own, only the user knows. */
function isExposed({ address, mechanism, transport }: ConnectionConfig): boolean {
  const isProtected = address.tls !== undefined || address.path !== undefined || transport !== undefined
  return !isProtected && mechanism !== 'EXTERNAL' && !isLoopback(address.host)
}

const CONNECT = { operation: 'connect' } as const

/** What the user's function answers. Rejects as it does, or after so many milliseconds, or with the signal's reason. */
async function answerWithin(
  patience: number,
  ask: UrlFunction,
  signal: AbortSignal | undefined,
): Promise<string | readonly string[]> {
  const late = defer<never>()
  const timer = setTimeout(() => {
    const text = `connect: the function that gives the URL has not answered within ${patience} ms (connectTimeout)`
    late.reject(new TimeoutError(text, CONNECT))
  }, patience)
  // Without a signal nobody could end it before its time, and it must not keep the process.
  if (signal === undefined) timer.unref()
  const stopWatching = signal && onAbort(signal, () => late.reject(signal.reason))
  try {
    return await Promise.race([ask(), late.promise])
  } catch (error) {
    // Whoever looks at an error expects one. What was thrown instead is not shown: it may be a URL.
    if (error instanceof Error || (signal?.aborted && error === signal.reason)) throw error
    throw new ConnectionBrokenError(
      'connect: the function that gives the URL has thrown what is no Error',
      CONNECT,
    )
  } finally {
    clearTimeout(timer)
    stopWatching?.()
  }
}

/** Opens what `open` does at the first host that answers; if none does, the error says what each of them answered. */
export async function openFirst<T>(
  candidates: readonly ConnectionConfig[],
  signal: AbortSignal,
  open: (config: ConnectionConfig) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = []
  const answers: string[] = []
  for (const config of candidates) {
    try {
      return await open(config)
    } catch (error) {
      if (signal.aborted) throw error
      failures.push(error)
      answers.push(answerOf(config, error))
    }
  }
  const [only] = failures
  if (failures.length === 1) throw only
  throw new ConnectionBrokenError(`connect: no host can be used: ${answers.join('; ')}`, {
    ...CONNECT,
    cause: new AggregateError(failures, 'what each host answered'),
  })
}

/** What a host answered, beginning with its name. */
function answerOf({ hostLabel }: ConnectionConfig, error: unknown): string {
  const said = (error as Error).message.replace(/^connect: /, '')
  const named = `no connection to ${hostLabel}`
  return said.startsWith(named) ? said : `${hostLabel}: ${said}`
}

/** Fisher and Yates, on a copy. */
function shuffle<T>(items: readonly T[]): T[] {
  const shuffled = [...items]
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    const item = shuffled[at] as T
    shuffled[at] = shuffled[other] as T
    shuffled[other] = item
  }
  return shuffled
}
