/** Owns the promises that a client has given out in a conversation: which are open, and what the others came to. */
import { kindOf, ownError } from '../attempt.js'

/** What users abort with: no error of the library, and theirs to get back. */
export const ABORTED = Object.assign(new Error('no longer wanted'), { name: 'NoLongerWanted' })

export class Ledger {
  /** What was found wrong, in order. */
  readonly faults: unknown[] = []
  readonly #open = new Set<{ readonly name: string }>()
  readonly #outcomes = new Set<string>()

  /** The names of those that are open. */
  get open(): string[] {
    return [...this.#open].map(({ name }) => name)
  }

  /** What came of the others, without repetitions. */
  get outcomes(): string[] {
    return [...this.#outcomes]
  }

  /** Makes a call; what it throws, and what its promise rejects with, has to be an error of the library. */
  track(name: string, call: () => unknown): void {
    let given: unknown
    try {
      given = call()
    } catch (error) {
      this.failed(name, error)
      return
    }
    if (!(given instanceof Promise)) return
    const entry = { name }
    this.#open.add(entry)
    const close = (): void => {
      this.#open.delete(entry)
    }
    given.then(
      () => {
        close()
        this.#outcomes.add(`${name} ok`)
      },
      (error: unknown) => {
        close()
        this.failed(name, error)
      },
    )
  }

  failed(name: string, error: unknown): void {
    if (error === ABORTED) return
    try {
      this.#outcomes.add(`${name} ${kindOf(ownError(error))}`)
    } catch (stranger) {
      this.faults.push(stranger)
    }
  }
}
