/** Owns the damage that is done to bytes: bits, lengths, ranges. Knows nothing of what they mean. */
import type { Random } from './random.js'

const OCTETS = [0, 1, 2, 3, 8, 0x41, 0x46, 0x53, 0x7f, 0x80, 0xce, 0xfe, 0xff]
const LONGS = [
  0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
]
/** No input grows beyond it by mutation. */
const LONGEST = 65_536

/** The bytes with one to four faults. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let mutated = bytes
  for (let faults = 1 + random.below(4); faults > 0; faults--) mutated = fault(mutated, random)
  return mutated.subarray(0, LONGEST)
}

/** The same bytes, cut anew. */
export function cutAnew(input: readonly Buffer[], random: Random): Buffer[] {
  const whole = Buffer.concat(input)
  const cuts: Buffer[] = []
  const most = random.pick([1, 2, 7, 8, 64, 4096, 16_384, whole.length || 1])
  for (let at = 0; at < whole.length; ) {
    const end = at + 1 + random.below(most)
    cuts.push(whole.subarray(at, end))
    at = end
  }
  return cuts
}

function fault(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  const span = random.size(Math.min(512, bytes.length - at))
  const before = bytes.subarray(0, at)
  switch (random.below(8)) {
    case 0:
      return changed(bytes, at, octet => octet ^ (1 << random.below(8)))
    case 1:
      return changed(bytes, at, () => random.pick(OCTETS))
    case 2:
      return changed(bytes, at, octet => octet + random.pick([-1, 1]))
    case 3:
      return withLong(bytes, at, random.chance(50) ? random.pick(LONGS) : bytes.length - at - random.below(9))
    case 4:
      return Buffer.concat([before, bytes.subarray(at + span)])
    case 5:
      return Buffer.concat([before, random.bytes(span), bytes.subarray(at)])
    case 6:
      return Buffer.concat([bytes.subarray(0, at + span), bytes.subarray(at)])
    default:
      return random.chance(30)
        ? before
        : Buffer.concat([before, random.bytes(span), bytes.subarray(at + span)])
  }
}

function changed(bytes: Buffer, at: number, change: (octet: number) => number): Buffer {
  const copy = Buffer.from(bytes)
  if (at < copy.length) copy[at] = change(copy[at] as number)
  return copy
}

function withLong(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  if (at + 4 <= copy.length) copy.writeUInt32BE(value >>> 0, at)
  return copy
}
