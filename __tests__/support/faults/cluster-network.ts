/**
 * Owns the network between the nodes of a cluster: each node finds the others by an epmd of its own, which names a proxy
 * instead of the other node. So a node can be cut off from the others, and stay in reach of its clients and of rabbitmqctl.
 */
import { Epmd } from './epmd.js'
import { TcpProxy } from './proxy.js'

/** Packets vanish, as with a broken cable; or connections are reset and refused, as with a firewall that says so. */
export type CutOff = 'silent' | 'refused'

interface Way {
  readonly from: number
  readonly to: number
  readonly proxy: Promise<TcpProxy>
}

export class ClusterNetwork {
  readonly #epmds: Epmd[] = []
  readonly #ways = new Map<string, Way>()
  #cutOff: { readonly node: number; readonly how: CutOff } | undefined

  private constructor() {}

  static async start(size: number): Promise<ClusterNetwork> {
    const network = new ClusterNetwork()
    for (let index = 0; index < size; index++) {
      network.#epmds.push(await Epmd.start(name => network.#portOf(name, index)))
    }
    return network
  }

  /** For `startPrivateCluster`. */
  get epmdPorts(): readonly number[] {
    return this.#epmds.map(({ port }) => port)
  }

  /** How many connections between nodes there are. */
  async connections(): Promise<number> {
    const proxies = await Promise.all([...this.#ways.values()].map(({ proxy }) => proxy))
    return proxies.reduce((sum, { connections }) => sum + connections.length, 0)
  }

  /** Cuts a node off from all others, until `heal`. */
  async cutOff(node: number, how: CutOff): Promise<void> {
    this.#cutOff = { node, how }
    await this.#apply()
  }

  async heal(): Promise<void> {
    this.#cutOff = undefined
    await this.#apply()
  }

  async close(): Promise<void> {
    for (const epmd of this.#epmds) epmd.close()
    await Promise.all([...this.#ways.values()].map(async ({ proxy }) => (await proxy).close()))
  }

  async #apply(): Promise<void> {
    await Promise.all([...this.#ways.values()].map(way => this.#arrange(way)))
  }

  async #arrange(way: Way): Promise<void> {
    const proxy = await way.proxy
    const cut = this.#cutOff
    const how = cut !== undefined && (cut.node === way.from || cut.node === way.to) ? cut.how : undefined
    proxy.refusing = how === 'refused'
    proxy.stalling = how === 'silent'
    if (how === 'refused') proxy.cut('reset')
    else if (how === 'silent') proxy.stall()
    else proxy.resume()
  }

  /** Where a node finds the one with that name: on the way from the one to the other. */
  async #portOf(name: string, from: number): Promise<number | undefined> {
    const to = this.#epmds.findIndex(epmd => epmd.portOf(name) !== undefined)
    const port = this.#epmds[to]?.portOf(name)
    if (port === undefined) return undefined
    const key = `${from} to ${to}, ${port}`
    let way = this.#ways.get(key)
    if (way === undefined) {
      way = { from, to, proxy: TcpProxy.start(`tcp://127.0.0.1:${port}`).then(proxy => proxy.keep()) }
      this.#ways.set(key, way)
      await this.#arrange(way)
    }
    return Number(new URL((await way.proxy).url).port)
  }
}
