/**
 * Owns what passes on one channel of a tampering proxy: which consumers live there, and, when the proxy has closed it in the
 * broker's name, what is kept from either side, so that each sees what it would see if the broker had done it.
 */
import {
  CANCEL,
  CANCEL_OK,
  CHANNEL_CLOSE,
  CHANNEL_CLOSE_OK,
  CHANNEL_OPEN,
  CONSUME,
  CONSUME_OK,
  closeFrame,
  type Frame,
} from './frames.js'

type State =
  | 'open'
  /** The client is told that it is closed; what it has sent before it knows goes nowhere. */
  | 'closed'
  /** The client knows, and may open it again. The broker is asked to close it, and what it still says goes nowhere. */
  | 'closing'
  /** The client has closed it, too, in the same moment. */
  | 'crossing'

const GONE = closeFrame(0, 200, '')

export class WatchedChannel {
  readonly #number: number
  readonly #toBroker: (bytes: Buffer) => void
  /** What the client has sent since, on a new channel of the same number. */
  #early: Frame[] = []
  #state: State = 'open'
  /** The client owes an answer that the broker does not wait for. */
  #owed = 0
  /** The tags that the broker was asked for, and that it has confirmed. */
  readonly #asked = new Set<string>()
  readonly #live = new Set<string>()
  /** Everything that was asked for was there, once. */
  #begun = false
  /** Told when the client has answered what was made up. */
  readonly #onAnswer = new Map<string, () => void>()

  constructor(number: number, toBroker: (bytes: Buffer) => void) {
    this.#number = number
    this.#toBroker = toBroker
  }

  /** The consumers that may be cancelled. */
  get live(): readonly string[] {
    return this.#state === 'open' && this.#begun ? [...this.#live] : []
  }

  /** The broker has cancelled a consumer. Resolves when the client has said that it knows, or the channel is gone. */
  cancelled(tag: string): Promise<void> {
    this.#live.delete(tag)
    return new Promise(resolve => this.#onAnswer.set(tag, resolve))
  }

  /** The broker has closed the channel. Resolves when the client has said that it knows. */
  closed(): Promise<void> {
    this.#state = 'closed'
    this.#live.clear()
    this.#owed++
    return new Promise(resolve => this.#onAnswer.set('', resolve))
  }

  /** The connection is gone. */
  end(): void {
    for (const resolve of this.#onAnswer.values()) resolve()
    this.#onAnswer.clear()
  }

  /** What passes of a frame of the client. */
  up(frame: Frame): Buffer | undefined {
    const { method } = frame
    if (method === CHANNEL_CLOSE_OK && this.#owed > 0) {
      this.#owed--
      this.end()
      if (this.#state !== 'closed') return undefined
      this.#state = 'closing'
      const close = Buffer.from(GONE)
      close.writeUInt16BE(this.#number, 1)
      return close
    }
    if (this.#state === 'closing') {
      this.#early.push(frame)
      return undefined
    }
    if (this.#state === 'closed') {
      if (method !== CHANNEL_CLOSE) return undefined
      this.#state = 'crossing'
      return frame.bytes
    }
    this.#note(frame)
    return frame.bytes
  }

  /** What passes of a frame of the broker. */
  down(frame: Frame): Buffer | undefined {
    const { method } = frame
    if (this.#state === 'closing' || this.#state === 'crossing') {
      if (method !== CHANNEL_CLOSE_OK) return undefined
      const passes = this.#state === 'crossing'
      this.#state = 'open'
      for (const early of this.#early.splice(0)) {
        const bytes = this.up(early)
        if (bytes !== undefined) this.#toBroker(bytes)
      }
      return passes ? frame.bytes : undefined
    }
    if (this.#state === 'closed') return undefined
    if (method === CONSUME_OK) {
      const tag = frame.text(0)
      if (this.#asked.delete(tag)) this.#live.add(tag)
      if (this.#asked.size === 0) this.#begun = true
    }
    if (method === CANCEL_OK || method === CANCEL) this.#live.delete(frame.text(0))
    return frame.bytes
  }

  #note(frame: Frame): void {
    switch (frame.method) {
      case CHANNEL_OPEN:
      case CHANNEL_CLOSE:
        this.#asked.clear()
        this.#live.clear()
        this.#begun = false
        this.#owed = 0
        this.end()
        break
      case CONSUME: {
        const queue = frame.text(2)
        this.#asked.add(frame.text(2 + 1 + Buffer.byteLength(queue)))
        break
      }
      case CANCEL: {
        const tag = frame.text(0)
        this.#asked.delete(tag)
        this.#live.delete(tag)
        this.#onAnswer.get(tag)?.()
        this.#onAnswer.delete(tag)
      }
    }
  }
}
