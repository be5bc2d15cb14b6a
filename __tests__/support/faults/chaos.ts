/**
 * Owns the fire that a client is put under: the connections of a proxy are cut, over and over, until the test has seen
 * enough of it. Knows nothing of the client under test.
 */
import { afterEach } from '@jest/globals'
import type { Cut, TcpProxy } from './proxy.js'

const fires = new Set<Chaos>()

afterEach(() => {
  for (const fire of fires) fire.stop()
})

export class Chaos {
  /** How often a connection was cut that was there. */
  cuts = 0
  readonly #timer: NodeJS.Timeout
  #waiting: (() => void)[] = []

  constructor(proxy: TcpProxy, how: Cut, milliseconds: number) {
    fires.add(this)
    this.#timer = setInterval(() => {
      if (proxy.cut(how) === 0) return
      this.cuts++
      for (const wake of this.#waiting.splice(0)) wake()
    }, milliseconds)
  }

  /** Resolves after so many cuts. */
  async until(cuts: number): Promise<void> {
    while (this.cuts < cuts) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  stop(): void {
    clearInterval(this.#timer)
    fires.delete(this)
  }
}
