/**
 * Owns the unconfirmed publishes of a channel, in a ring indexed by delivery tag: one confirm costs a look, a
 * `multiple` one a sweep. Knows nothing of what a confirm means.
 */
import { CommandInvalidError } from '../errors.js'

export class ConfirmRing<T> {
  #slots: (T | undefined)[] = new Array(64)
  #mask = 63
  /** The oldest tag that may still be waiting. */
  #first = 1
  /** The tag of the next publish. */
  #next = 1
  #size = 0

  /** How many are unconfirmed. */
  get size(): number {
    return this.#size
  }

  /** A publish was sent: it gets the next delivery tag of its channel. */
  add(entry: T): void {
    if (this.#next - this.#first > this.#mask) this.#grow()
    this.#slots[this.#next & this.#mask] = entry
    this.#next++
    this.#size++
  }

  /** Takes the entry of a tag, or all up to it, and passes them to `visit` in order; those confirmed before are skipped. */
  confirm(tag: number, multiple: boolean, visit: (entry: T) => void): void {
    if (tag >= this.#next)
      throw new CommandInvalidError(`publish ${tag} was confirmed, but ${this.#next - 1} was the last`)
    // A tag of 0 means all there are (AMQP 0-9-1, basic.ack, "multiple").
    const last = multiple && tag === 0 ? this.#next - 1 : tag
    for (let at = multiple ? this.#first : last; at <= last; at++) {
      const entry = at < this.#first ? undefined : this.#slots[at & this.#mask]
      if (entry === undefined) continue
      this.#slots[at & this.#mask] = undefined
      this.#size--
      visit(entry)
    }
    while (this.#first < this.#next && this.#slots[this.#first & this.#mask] === undefined) this.#first++
  }

  /** Takes all that are unconfirmed, in order. */
  drain(): T[] {
    const entries: T[] = []
    this.confirm(this.#next - 1, true, entry => entries.push(entry))
    return entries
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
