/**
 * Owns the way of bytes between a client and a broker in memory, and what goes wrong on it: frames of the broker that are
 * lost, doubled, swapped, damaged, cut short. Knows nothing of what a frame means.
 */
import type { Transport, TransportEvents } from '../../../src/transport-types.js'

/** What becomes of the next frame of the broker. */
export type Fault =
  | { readonly kind: 'pass' | 'drop' | 'twice' | 'swap' | 'hold' }
  | { readonly kind: 'cut' | 'hang-up-after'; readonly bytes: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bits: number }
  | { readonly kind: 'channel'; readonly number: number }

/** So many of the broker's last frames can be sent again. */
const REMEMBERED = 8
/** So many chunks are cut at once; the rest comes in one. */
const MOST_CHUNKS = 100

export class Wire implements Transport {
  /** What the client writes. */
  onWrite: (bytes: Buffer) => void = () => undefined
  /** The client's `write` asks for a pause. */
  congested = false
  /** The broker's bytes come in chunks of so many; 0: as they were sent. */
  chunk = 0
  closed = false
  /** The broker's answer comes while the client still writes. */
  isHasty = false
  /** Every method of the transport throws. */
  isBroken = false
  /** The transport tells its end twice, and bytes after it. */
  isRestless = false
  #events: TransportEvents | undefined
  #faults: Fault[] = []
  readonly #remembered: Buffer[] = []
  #held: Buffer[] = []
  #swapped: Buffer | undefined
  #due: Buffer[] = []
  /** The stream ends when what is due has come: with an error, or without. */
  #ending: { readonly error: Error | undefined } | undefined

  start(events: TransportEvents): void {
    this.#events = events
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (this.isBroken) throw new Error('the transport is broken')
    const bytes = Buffer.concat(pieces)
    if (!this.closed && this.#ending === undefined) this.onWrite(bytes)
    if (this.isHasty) void this.deliver()
    return !this.congested
  }

  end(): void {
    if (this.isBroken) throw new Error('the transport is broken')
    this.hangUp()
  }

  destroy(): void {
    this.#due = []
    this.hangUp()
  }

  fault(fault: Fault): void {
    this.#faults.push(fault)
  }

  /** A frame of the broker sets out. */
  frame(bytes: Buffer): void {
    this.#remembered.push(bytes)
    if (this.#remembered.length > REMEMBERED) this.#remembered.shift()
    const fault = this.#faults.shift()
    if (fault === undefined) this.#send(bytes)
    else this.#spoil(bytes, fault)
  }

  /** Bytes that are no frame of the broker. */
  raw(bytes: Buffer): void {
    this.#due.push(bytes)
  }

  /** What was held back comes, the last first. */
  release(): void {
    for (const bytes of this.#held.splice(0).reverse()) this.#due.push(bytes)
  }

  /** The broker's last frames come again. */
  replay(count: number): void {
    this.#due.push(...this.#remembered.slice(-count))
  }

  drain(): void {
    this.congested = false
    if (!this.closed) this.#events?.onDrain()
  }

  hangUp(error?: Error): void {
    this.#ending ??= { error }
  }

  /** Brings what is due to the client. */
  async deliver(): Promise<void> {
    const events = this.#events
    if (this.closed) return
    if (events === undefined) {
      this.closed = this.#ending !== undefined
      return
    }
    const bytes = Buffer.concat(this.#due.splice(0))
    for (const part of this.#cut(bytes)) {
      if (this.closed) return
      events.onData(part)
      await Promise.resolve()
    }
    if (this.#ending === undefined || this.#due.length > 0 || this.closed) return
    this.closed = true
    events.onClose(this.#ending.error)
    if (!this.isRestless) return
    events.onClose(new Error('once more'))
    events.onData(Buffer.from('once more'))
    events.onDrain()
  }

  #cut(bytes: Buffer): Buffer[] {
    if (bytes.length === 0) return []
    if (this.chunk === 0) return [bytes]
    const parts: Buffer[] = []
    let at = 0
    for (; at < bytes.length && parts.length < MOST_CHUNKS; at += this.chunk) {
      parts.push(bytes.subarray(at, at + this.chunk))
    }
    return at < bytes.length ? [...parts, bytes.subarray(at)] : parts
  }

  #send(bytes: Buffer): void {
    this.#due.push(bytes)
    if (this.#swapped === undefined) return
    this.#due.push(this.#swapped)
    this.#swapped = undefined
  }

  #spoil(bytes: Buffer, fault: Fault): void {
    switch (fault.kind) {
      case 'pass':
        this.#send(bytes)
        break
      case 'drop':
        break
      case 'twice':
        this.#send(bytes)
        this.#send(bytes)
        break
      case 'swap':
        if (this.#swapped === undefined) this.#swapped = bytes
        else this.#send(bytes)
        break
      case 'hold':
        this.#held.push(bytes)
        break
      case 'cut':
        this.#send(bytes.subarray(0, fault.bytes))
        break
      case 'hang-up-after':
        this.#send(bytes.subarray(0, fault.bytes))
        this.hangUp()
        break
      case 'flip':
      case 'channel': {
        const copy = Buffer.from(bytes)
        if (fault.kind === 'channel') copy.writeUInt16BE(fault.number, 1)
        else if (fault.at < copy.length) copy[fault.at] = (copy[fault.at] as number) ^ fault.bits
        this.#send(copy)
      }
    }
  }
}
