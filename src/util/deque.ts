/** Owns a first-in, first-out queue over a ring that grows: both ends in constant time, no node objects. */

export class Deque<T> {
  #slots: (T | undefined)[] = new Array(16)
  #mask = 15
  #head = 0
  #length = 0

  /** How many items it holds. */
  get length(): number {
    return this.#length
  }

  /** Adds an item at the end. */
  push(item: T): void {
    if (this.#length > this.#mask) this.#grow()
    this.#slots[(this.#head + this.#length) & this.#mask] = item
    this.#length++
  }

  /** Adds an item at the front. */
  unshift(item: T): void {
    if (this.#length > this.#mask) this.#grow()
    this.#head = (this.#head - 1) & this.#mask
    this.#slots[this.#head] = item
    this.#length++
  }

  /** The first item, left where it is. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head]
  }

  /** Takes the first item. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & this.#mask
    this.#length--
    return item
  }

  /** Takes all items, in order. */
  drain(): T[] {
    const items: T[] = []
    while (this.#length > 0) items.push(this.shift() as T)
    return items
  }

  /** All items, in order, left where they are. */
  items(): T[] {
    return Array.from(
      { length: this.#length },
      (_, index) => this.#slots[(this.#head + index) & this.#mask] as T,
    )
  }

  #grow(): void {
    const size = this.#slots.length
    const slots: (T | undefined)[] = new Array(size * 2)
    for (let index = 0; index < size; index++) slots[index] = this.#slots[(this.#head + index) & this.#mask]
    this.#slots = slots
    this.#mask = size * 2 - 1
    this.#head = 0
  }
}
