/**
 * Owns the order that a client has to keep, whatever was sent to it: it uses the channels that it has opened, and none that it
 * has closed, and says nothing more when it has closed the connection.
 */
import type { MethodName } from '../../../src/codec/methods.gen.js'
import { demand } from '../errors.js'

export class ClientOrder {
  /** The client has sent connection.close. */
  isClosed = false
  /** The channels that the client has opened, and not closed. */
  readonly #open = new Set<number>()

  /** A method of the client has come. */
  take(channel: number, name: MethodName): void {
    demand(!this.isClosed || name === 'connection.close-ok', `${name} comes after connection.close`)
    if (name === 'connection.close') this.isClosed = true
    if (channel === 0) return
    if (name === 'channel.open') {
      demand(!this.#open.has(channel), `channel ${channel} is opened a second time`)
      this.#open.add(channel)
    } else if (name === 'channel.close') {
      demand(this.#open.delete(channel), `channel ${channel} is closed and was not open`)
    } else if (name === 'channel.close-ok') {
      this.#open.delete(channel)
    } else {
      demand(this.#open.has(channel), `${name} comes on channel ${channel}, which is not open`)
    }
  }
}
