/**
 * Owns where a client may connect to: the URLs, or the function that gives them anew before each attempt, the hosts
 * beside them, the order in which they are tried, and the trying.
 */

import type { ClientOptions, UrlSource } from '../client-options.js'
import { type ConnectionConfig, resolveConfig } from '../connection/connection-config.js'
import { ArgumentError, ConnectionBrokenError } from '../errors.js'

export class Hosts {
  readonly #source: UrlSource
  readonly #options: ClientOptions
  readonly #shuffled: boolean
  /** Undefined where a function gives the URLs: they are known only when it is asked. */
  readonly #fixed: readonly ConnectionConfig[] | undefined
  /** The secret that took the place of the password (connection.update-secret). */
  #newSecret: string | undefined
  /** What is tried at the next attempt; where a function says so, what was tried at the last. */
  #order: readonly ConnectionConfig[]

  /** Throws {@link ArgumentError} if a URL, a host or an option is invalid. */
  constructor(source: UrlSource, options: ClientOptions) {
    const { hostOrder = 'shuffled' } = options
    if (hostOrder !== 'shuffled' && hostOrder !== 'fixed') {
      throw new ArgumentError("hostOrder must be 'shuffled' or 'fixed'")
    }
    this.#source = source
    this.#options = options
    this.#shuffled = hostOrder === 'shuffled'
    this.#fixed = typeof source === 'function' ? undefined : this.#resolve(source)
    this.#order = this.#fixed === undefined ? [] : this.#arrange(this.#fixed)
    // What the options say is checked at once, also if the URL comes later.
    if (this.#fixed === undefined) resolveConfig('amqp:///', options)
  }

  /** A secret that takes the place of the password from now on. */
  set newSecret(secret: string) {
    this.#newSecret = secret
  }

  /** The host that comes first at the next attempt; where a function says so, the first of the last attempt. */
  get next(): string {
    return this.#order[0]?.hostLabel ?? ''
  }

  /** Where to connect, in the order to try. Rejects as the user's function does. */
  async candidates(): Promise<readonly ConnectionConfig[]> {
    if (this.#fixed === undefined) {
      this.#order = this.#arrange(await this.#ask())
      return this.#order
    }
    const order = this.#order
    this.#order = this.#arrange(this.#fixed)
    return order.map(config => this.#present(config))
  }

  /** The same host, with the credentials of the moment. Rejects as the user's function does. */
  async renew(config: ConnectionConfig): Promise<ConnectionConfig> {
    if (this.#fixed !== undefined) return this.#present(config)
    const configs = await this.#ask()
    return configs.find(({ hostLabel }) => hostLabel === config.hostLabel) ?? config
  }

  async #ask(): Promise<readonly ConnectionConfig[]> {
    return this.#resolve(await (this.#source as () => string | readonly string[])())
  }

  #present(config: ConnectionConfig): ConnectionConfig {
    const password = this.#newSecret
    if (password === undefined) return config
    return { ...config, credentials: { ...config.credentials, password } }
  }

  #arrange(configs: readonly ConnectionConfig[]): readonly ConnectionConfig[] {
    return this.#shuffled ? shuffle(configs) : configs
  }

  #resolve(urls: string | readonly string[]): readonly ConnectionConfig[] {
    const list = typeof urls === 'string' ? [urls] : urls
    if (!Array.isArray(list) || list.length === 0) {
      throw new ArgumentError('the URL must be a string, several in an array, or a function that gives them')
    }
    const [first = ''] = list
    const further = this.#options.hosts ?? []
    if (!Array.isArray(further) || further.some(host => typeof host !== 'string' || host === '')) {
      throw new ArgumentError('hosts must be an array of strings, each host or host:port')
    }
    const own = list.map(url => resolveConfig(url, this.#options))
    return [...own, ...further.map(host => this.#atHost(first, host))]
  }

  /** The same URL at another host. */
  #atHost(url: string, host: string): ConnectionConfig {
    const config = resolveConfig(url, this.#options)
    const scheme = url.slice(0, url.indexOf(':'))
    const { address, hostLabel } = resolveConfig(`${scheme}://${host}`, {})
    return { ...config, address: { ...config.address, host: address.host, port: address.port }, hostLabel }
  }
}

/** Opens what `open` does at the first host that answers; if none does, the error says what each of them answered. */
export async function openFirst<T>(
  candidates: readonly ConnectionConfig[],
  signal: AbortSignal,
  open: (config: ConnectionConfig) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = []
  for (const config of candidates) {
    try {
      return await open(config)
    } catch (error) {
      if (signal.aborted) throw error
      failures.push(error)
    }
  }
  const [only] = failures
  if (failures.length === 1) throw only
  const answers = failures.map(error => (error as Error).message).join('; ')
  throw new ConnectionBrokenError(`connect: no host can be used: ${answers}`, {
    cause: new AggregateError(failures, 'what each host answered'),
  })
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
