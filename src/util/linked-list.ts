/**
 * Owns a first-in, first-out list of which any item can be removed at once, wherever it stands. The links are fields of
 * the items themselves: an item is in one list at most.
 */

/** The fields that an item needs. Only its list changes them. */
export interface ListItem<T> {
  previous: T | undefined
  next: T | undefined
}

export class LinkedList<T extends ListItem<T>> {
  #first: T | undefined
  #last: T | undefined
  #length = 0

  /** How many items it holds. */
  get length(): number {
    return this.#length
  }

  /** The first item, left where it is. */
  peek(): T | undefined {
    return this.#first
  }

  /** Adds an item at the end. */
  push(item: T): void {
    item.previous = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.next = item
    this.#last = item
    this.#length++
  }

  /** Adds an item before another one of the list, or at the end. */
  insert(item: T, before: T | undefined): void {
    if (before === undefined) {
      this.push(item)
      return
    }
    item.previous = before.previous
    item.next = before
    if (before.previous === undefined) this.#first = item
    else before.previous.next = item
    before.previous = item
    this.#length++
  }

  /** Takes the first item. */
  shift(): T | undefined {
    const item = this.#first
    if (item !== undefined) this.remove(item)
    return item
  }

  /** Removes an item. Returns false if it is not in the list. */
  remove(item: T): boolean {
    const { previous, next } = item
    if (previous === undefined && this.#first !== item) return false
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    item.previous = undefined
    item.next = undefined
    this.#length--
    return true
  }
}
