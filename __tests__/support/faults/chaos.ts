/**
 * Owns the fire that a client is put under: whenever it has been connected for a while, its connections are cut, until the
 * test has seen enough of it. Knows nothing of what the client does meanwhile.
 */
import { afterEach } from '@jest/globals'
import type { Client } from '../../../src/index.js'
import type { Cut, TcpProxy } from './proxy.js'

const fires = new Set<Chaos>()

afterEach(() => {
  for (const fire of fires) fire.stop()
})

export class Chaos {
  /** How often the client has lost its connections: it was connected each time. */
  cuts = 0
  readonly #light: () => void
  readonly #client: Client
  #timer: NodeJS.Timeout | undefined
  #waiting: (() => void)[] = []

  /** For a client that is connected, through the proxy alone. */
  constructor(client: Client, proxy: TcpProxy, how: Cut, milliseconds: number) {
    fires.add(this)
    this.#client = client
    // From its recovery on: on a slow machine, cuts by the clock would come before there is a connection again.
    this.#light = () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => {
        this.cuts++
        proxy.cut(how)
        for (const wake of this.#waiting.splice(0)) wake()
      }, milliseconds)
    }
    client.on('recovered', this.#light)
    this.#light()
  }

  /** Resolves after so many cuts. */
  async until(cuts: number): Promise<void> {
    while (this.cuts < cuts) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#client.off('recovered', this.#light)
    fires.delete(this)
  }
}
