/** Owns the names of options: one that is not known is most often misspelt, and would pass without effect. */
import { ArgumentError } from '../errors.js'

/** The names of options; the compiler sees to it that none is left out. */
export function namesOf<T>(names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names))
}

/** Throws {@link ArgumentError} if an option is none of those known. `path` stands before its name, if it is no operation's. */
export function checkNames(
  options: object,
  known: ReadonlySet<string>,
  { operation, path = '' }: { readonly operation?: string; readonly path?: string } = {},
): void {
  // No list of the names is made: that is the way of each publish.
  for (const name in options) {
    if (!known.has(name) && Object.hasOwn(options, name)) {
      const subject = operation === undefined ? '' : `${operation}: `
      throw new ArgumentError(`${subject}${path}${shortened(name)} is no option; ${advice(name, known)}`, {
        operation,
      })
    }
  }
}

/** The known name that an unknown one differs from by a slip of the fingers, if there is one. */
export function misspelt(name: string, known: ReadonlySet<string>): string | undefined {
  // The plural of a name, or a short name, may well be meant.
  if (name.length < SHORTEST_SLIP || name.length > LONGEST_NAME || name.endsWith('s')) return undefined
  return [...known].find(each => each.length >= SHORTEST_SLIP && distance(name, each) <= 1)
}

const SHORTEST_SLIP = 6
/** A longer name is none that was misspelt. */
const LONGEST_NAME = 40

function advice(name: string, known: ReadonlySet<string>): string {
  if (known.size === 0) return 'there are none'
  const rated = [...known].map(each => ({ each, away: farness(name.slice(0, LONGEST_NAME), each) }))
  const [nearest] = rated.sort((one, other) => one.away - other.away)
  if (nearest !== undefined && nearest.away <= 0.6) return `did you mean ${nearest.each}?`
  return `there are ${[...known].join(', ')}; the nearest is ${nearest?.each}`
}

/** 0: the same letters; 1: nothing in common. */
function farness(name: string, known: string): number {
  const [one, other] = [name.toLowerCase(), known.toLowerCase()]
  const away = distance(one, other) / Math.max(one.length, other.length)
  const isPart = one.length > 2 && (other.includes(one) || one.includes(other))
  return isPart ? away / 4 : away
}

/** How many letters have to be added, left out or replaced, or neighbours exchanged, to make one name of the other. */
function distance(one: string, other: string): number {
  let before: number[] = []
  let above = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const differs = one[i - 1] === other[j - 1] ? 0 : 1
      const added = (row[j - 1] ?? 0) + 1
      const leftOut = (above[j] ?? 0) + 1
      const replaced = (above[j - 1] ?? 0) + differs
      const areExchanged = j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const exchanged = areExchanged ? (before[j - 2] ?? 0) + 1 : replaced
      row.push(Math.min(added, leftOut, replaced, exchanged))
    }
    before = above
    above = row
  }
  return above[other.length] ?? 0
}

/** A name may be anything. */
function shortened(name: string): string {
  return name.length > LONGEST_NAME ? `${JSON.stringify(name.slice(0, LONGEST_NAME))}...` : name
}
