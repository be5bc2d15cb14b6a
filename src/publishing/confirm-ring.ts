/**
 * Owns the unconfirmed publishes of a channel, in a ring indexed by delivery tag: one confirm costs a look, a
 * `multiple` one a sweep. What stays unconfirmed long after those behind it moves to a map, so that it does not make the
 * ring grow. Knows nothing of what a confirm means.
 */
import { CommandInvalidError } from '../errors.js'
import { ignore } from '../util/promise.js'

/** A full ring of which at most this share is in use does not grow. */
const SPARSE = 1 / 4

export class ConfirmRing<T> {
  #slots: (T | undefined)[] = new Array(64)
  #mask = 63
  /** The oldest tag that may be in the ring. */
  #first = 1
  /** The tag of the next publish. */
  #next = 1
  /** How many are in the ring. */
  #inRing = 0
  /** The unconfirmed ones of tags before the ring, in order. */
  readonly #late = new Map<number, T>()
  readonly #onLate: (entry: T) => void

  /** `onLate` is called with an entry that stays unconfirmed long after those behind it. */
  constructor(onLate: (entry: T) => void = ignore) {
    this.#onLate = onLate
  }

  /** How many are unconfirmed. */
  get size(): number {
    return this.#inRing + this.#late.size
  }

  /** The tag of the last publish, or 0. */
  get lastTag(): number {
    return this.#next - 1
  }

  /** The unconfirmed entry of a tag. */
  get(tag: number): T | undefined {
    if (tag < this.#first) return this.#late.get(tag)
    return tag < this.#next ? this.#slots[tag & this.#mask] : undefined
  }

  /** How many up to a tag are unconfirmed. */
  countUpTo(tag: number): number {
    let count = 0
    for (const late of this.#late.keys()) if (late <= tag) count++
    for (let at = this.#first; at <= tag && at < this.#next; at++) {
      if (this.#slots[at & this.#mask] !== undefined) count++
    }
    return count
  }

  /** A publish was sent: returns its delivery tag, the next one of its channel. */
  add(entry: T): number {
    if (this.#next - this.#first > this.#mask) this.#makeRoom()
    this.#slots[this.#next & this.#mask] = entry
    this.#inRing++
    return this.#next++
  }

  /** Takes the entry of a tag, or all up to it, and passes them to `visit` in order; those taken before are skipped. */
  confirm(tag: number, multiple: boolean, visit: (entry: T) => void): void {
    if (tag >= this.#next || (tag === 0 && !multiple))
      throw new CommandInvalidError(`publish ${tag} was confirmed, but ${this.#next - 1} was the last`)
    // A tag of 0 means all there are (AMQP 0-9-1, basic.ack, "multiple").
    const last = multiple && tag === 0 ? this.#next - 1 : tag
    if (this.#late.size > 0) this.#confirmLate(last, multiple, visit)
    for (let at = multiple ? this.#first : last; at <= last; at++) {
      const entry = at < this.#first ? undefined : this.#slots[at & this.#mask]
      if (entry === undefined) continue
      this.#slots[at & this.#mask] = undefined
      this.#inRing--
      visit(entry)
    }
    this.#advance()
  }

  /** Takes the entry of a tag out: nobody waits for its confirm any more. */
  remove(tag: number): void {
    if (this.#late.delete(tag) || tag < this.#first) return
    if (this.#slots[tag & this.#mask] === undefined) return
    this.#slots[tag & this.#mask] = undefined
    this.#inRing--
    this.#advance()
  }

  /** Takes all that are unconfirmed, in order. */
  drain(): T[] {
    const entries: T[] = []
    this.confirm(this.#next - 1, true, entry => entries.push(entry))
    return entries
  }

  #confirmLate(last: number, multiple: boolean, visit: (entry: T) => void): void {
    if (!multiple) {
      const entry = this.#late.get(last)
      if (entry !== undefined && this.#late.delete(last)) visit(entry)
      return
    }
    for (const [tag, entry] of this.#late) {
      if (tag > last) return
      this.#late.delete(tag)
      visit(entry)
    }
  }

  #advance(): void {
    while (this.#first < this.#next && this.#slots[this.#first & this.#mask] === undefined) this.#first++
  }

  #makeRoom(): void {
    const capacity = this.#mask + 1
    if (this.#inRing > SPARSE * capacity) {
      this.#grow()
      return
    }
    for (const end = this.#first + capacity / 2; this.#first < end; this.#first++) {
      const at = this.#first & this.#mask
      const entry = this.#slots[at]
      if (entry === undefined) continue
      this.#slots[at] = undefined
      this.#inRing--
      this.#late.set(this.#first, entry)
      this.#onLate(entry)
    }
    this.#advance()
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const slots: (T | undefined)[] = new Array(size)
    for (let tag = this.#first; tag < this.#next; tag++)
      slots[tag & (size - 1)] = this.#slots[tag & this.#mask]
    this.#slots = slots
    this.#mask = size - 1
  }
}
