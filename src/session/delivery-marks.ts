/**
 * Owns a mark for each delivery of a channel that is not settled, or was settled before an earlier one: in a ring indexed
 * by delivery tag, where a mark is a byte. What stays long after those behind it moves to a map, so that the ring stays
 * about as large as what is outstanding. Knows nothing of what is sent.
 */

/** Delivered, and not settled by its user. */
const OUTSTANDING = 0
/** Acked, and the ack is not sent yet. */
export const DUE = 1
export const SETTLED = 2

export type Mark = typeof OUTSTANDING | typeof DUE | typeof SETTLED

export class DeliveryMarks {
  #ring = new Uint8Array(64)
  #top = 0
  /** Everything up to here is settled, unless it is late. */
  #floor = 0
  /** Nothing up to here is outstanding. It may be behind the floor. */
  #swept = 0
  /** What is not settled of the tags up to the floor, in order; undefined if all is. */
  #late: Map<number, Mark> | undefined
  #dueCount = 0

  /** The last tag. */
  get top(): number {
    return this.#top
  }

  get floor(): number {
    return this.#floor
  }

  /** Something is not settled, long after those behind it. */
  get hasLate(): boolean {
    return this.#late !== undefined
  }

  /** How many that were due the floor has passed in the last {@link passDue}. */
  get dueCount(): number {
    return this.#dueCount
  }

  /** More than half of the ring is in use if so many are not settled. */
  isCrowdedBy(count: number): boolean {
    return count > this.#ring.length / 2
  }

  get(tag: number): Mark {
    if (tag > this.#floor && tag <= this.#top) return this.#at(tag)
    return this.#late?.get(tag) ?? SETTLED
  }

  isOutstanding(tag: number): boolean {
    return this.get(tag) === OUTSTANDING
  }

  /** Adds a tag as outstanding, if it is the next one and there is room for it. */
  add(tag: number): boolean {
    const ring = this.#ring
    if (tag !== this.#top + 1 || tag - this.#floor > ring.length) return false
    ring[tag & (ring.length - 1)] = OUTSTANDING
    this.#top = tag
    return true
  }

  /** Marks a tag, if it is outstanding. */
  mark(tag: number, mark: Mark): boolean {
    if (tag > this.#floor && tag <= this.#top) {
      const ring = this.#ring
      const at = tag & (ring.length - 1)
      if (ring[at] !== OUTSTANDING) return false
      ring[at] = mark
      return true
    }
    if (this.#late?.get(tag) !== OUTSTANDING) return false
    this.#setLate(tag, mark)
    return true
  }

  /** Marks a tag, whatever it is. */
  set(tag: number, mark: Mark): void {
    if (tag > this.#floor) this.#ring[tag & (this.#ring.length - 1)] = mark
    else this.#setLate(tag, mark)
  }

  /** Settles the tag behind the floor, if it is that one, is outstanding, and nothing before it is. */
  pass(tag: number): boolean {
    if (tag !== this.#floor + 1 || tag > this.#top || this.#late !== undefined) return false
    if (this.#at(tag) !== OUTSTANDING) return false
    this.#floor = tag
    return true
  }

  /** Marks all that are outstanding up to a tag, and adds them to a list, in order. */
  sweep(last: number, mark: Mark, to: number[]): void {
    for (const [tag, late] of this.#late ?? []) {
      if (tag > last || late !== OUTSTANDING) continue
      this.#setLate(tag, mark)
      to.push(tag)
    }
    const end = Math.min(last, this.#top)
    for (let tag = Math.max(this.#floor, this.#swept) + 1; tag <= end; tag++) {
      if (this.#at(tag) !== OUTSTANDING) continue
      this.set(tag, mark)
      to.push(tag)
    }
    if (end > this.#swept) this.#swept = end
  }

  /** All that are outstanding, in order. */
  outstanding(): number[] {
    const tags: number[] = []
    for (const [tag, mark] of this.#late ?? []) if (mark === OUTSTANDING) tags.push(tag)
    for (let tag = this.#floor + 1; tag <= this.#top; tag++) if (this.#at(tag) === OUTSTANDING) tags.push(tag)
    return tags
  }

  /** All behind a tag that are not settled, in order. */
  unsettledBehind(tag: number): number[] {
    const tags = [...(this.#late?.keys() ?? [])].filter(late => late > tag)
    for (let each = Math.max(tag, this.#floor) + 1; each <= this.#top; each++) {
      if (this.#at(each) !== SETTLED) tags.push(each)
    }
    return tags
  }

  /** Moves the floor up to the first that is not settled. */
  raiseFloor(): void {
    while (this.#floor < this.#top && this.#at(this.#floor + 1) === SETTLED) this.#floor++
  }

  /** Settles all that are due up to the first that is outstanding. Returns the last of them, or 0. */
  passDue(): number {
    const ring = this.#ring
    const mask = ring.length - 1
    let last = 0
    let count = 0
    let tag = this.#floor
    while (tag < this.#top) {
      const mark = ring[(tag + 1) & mask]
      if (mark === OUTSTANDING) break
      tag++
      if (mark === DUE) {
        last = tag
        count++
      }
    }
    this.#floor = tag
    this.#dueCount = count
    return last
  }

  /** The first that is not settled, or Infinity. The floor must have been raised. */
  lowest(): number {
    for (const tag of this.#late?.keys() ?? []) return tag
    return this.#floor < this.#top ? this.#floor + 1 : Number.POSITIVE_INFINITY
  }

  /** Makes room in the ring, for as many as it holds already. */
  grow(): void {
    const ring = new Uint8Array(this.#ring.length * 2)
    for (let tag = this.#floor + 1; tag <= this.#top; tag++) ring[tag & (ring.length - 1)] = this.#at(tag)
    this.#ring = ring
  }

  /** Makes room in the ring, half of it: what is not settled there moves to the map. */
  moveLate(): void {
    const end = this.#top - this.#ring.length / 2
    while (this.#floor < end) {
      const tag = ++this.#floor
      const mark = this.#at(tag)
      if (mark !== SETTLED) this.#setLate(tag, mark)
    }
    this.raiseFloor()
  }

  /** The mark of a tag that is in the ring. */
  #at(tag: number): Mark {
    return this.#ring[tag & (this.#ring.length - 1)] as Mark
  }

  #setLate(tag: number, mark: Mark): void {
    this.#late ??= new Map()
    if (mark !== SETTLED) this.#late.set(tag, mark)
    else this.#late.delete(tag)
    if (this.#late.size === 0) this.#late = undefined
  }
}
