/**
 * Owns the publishes that wait for their confirm, in a ring indexed by delivery tag: one confirm costs a look, a
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
  #waiting = 0

  /** How many wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** A publish was sent: it gets the next delivery tag of its channel. */
  add(entry: T): void {
    if (this.#next - this.#first > this.#mask) this.#grow()
    this.#slots[this.#next & this.#mask] = entry
    this.#next++
    this.#waiting++
  }

  /** Takes the entry of a tag, or all up to it, and hands them to `visit` in order; those taken before are passed over. */
  take(tag: number, multiple: boolean, visit: (entry: T) => void): void {
    if (tag >= this.#next)
      throw new CommandInvalidError(`publish ${tag} was confirmed, but ${this.#next - 1} was the last`)
    // A tag of 0 means all there are (AMQP 0-9-1, basic.ack, "multiple").
    const last = multiple && tag === 0 ? this.#next - 1 : tag
    for (let at = multiple ? this.#first : last; at <= last; at++) {
      const entry = at < this.#first ? undefined : this.#slots[at & this.#mask]
      if (entry === undefined) continue
      this.#slots[at & this.#mask] = undefined
      this.#waiting--
      visit(entry)
    }
    while (this.#first < this.#next && this.#slots[this.#first & this.#mask] === undefined) this.#first++
  }

  /** Takes all that wait, in order, and begins anew with tag 1, as a new channel does. */
  drain(): T[] {
    const entries: T[] = []
    this.take(this.#next - 1, true, entry => entries.push(entry))
    this.#first = 1
    this.#next = 1
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
