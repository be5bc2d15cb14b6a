/** Owns the list of what went wrong in a run: each kind once, with a count. Knows nothing of where faults come from. */

/** Kinds that are listed; a run in which more goes wrong is not told better by more lines. */
const MOST_KINDS = 20

export class Faults {
  readonly #counts = new Map<string, number>()

  add(fault: string): void {
    const count = this.#counts.get(fault)
    if (count !== undefined || this.#counts.size < MOST_KINDS) this.#counts.set(fault, (count ?? 0) + 1)
  }

  /** For a promise whose failure is a fault: resolves in any case. */
  async watch(what: string, promise: Promise<unknown>): Promise<void> {
    try {
      await promise
    } catch (error) {
      this.add(`${what}: ${textOf(error)}`)
    }
  }

  list(): string[] {
    return [...this.#counts].map(([fault, count]) => (count === 1 ? fault : `${fault} (${count} times)`))
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const text = `${error.name}: ${error.message}`
  return error.cause instanceof Error ? `${text}: ${error.cause.message}` : text
}
