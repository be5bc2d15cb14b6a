/**
 * Owns the fuzzing of one target: inputs that are made, inputs that are changed, and which are kept to be changed again. Knows
 * nothing of what a target does, or of who is told.
 */
import { kindOf } from './attempt.js'
import { minimise } from './minimise.js'
import type { Random } from './random.js'
import type { Strays } from './strays.js'
import type { Target } from './target.js'

/** A kind of fault, and the smallest input that was found for it. */
export interface Finding {
  readonly target: string
  readonly kind: string
  readonly error: unknown
  /** The input as text, as `--input` takes it. */
  readonly input: string
}

/** So many inputs with different outcomes are kept. */
const MOST_KEPT = 1000
/** So many different outcomes are remembered. */
const MOST_OUTCOMES = 100_000
/** So many out of a hundred inputs are made from kept ones. */
const CHANGED = 60
/** Milliseconds of processor time after which an input counts as one that takes too long. */
const TOO_LONG = 3000
/** Strays of synchronous targets are looked for so often: that takes a turn of the event loop. */
const LOOK_EVERY = 256

export class TargetFuzzer<I> {
  executions = 0
  readonly #target: Target<I>
  readonly #random: Random
  readonly #strays: Strays
  readonly #kept: I[] = []
  readonly #outcomes = new Set<string>()
  readonly #found = new Map<string, Finding>()

  constructor(target: Target<I>, random: Random, strays: Strays) {
    this.#target = target
    this.#random = random
    this.#strays = strays
  }

  get name(): string {
    return this.#target.name
  }

  /** How many different outcomes there were. */
  get outcomes(): number {
    return this.#outcomes.size
  }

  get findings(): readonly Finding[] {
    return [...this.#found.values()]
  }

  /** Runs one more input. Returns a find that is new. */
  async step(): Promise<Finding | undefined> {
    const input = this.#next()
    this.executions++
    const before = process.cpuUsage()
    const broken = await this.#run(input)
    const { user } = process.cpuUsage(before)
    const error = broken ?? (user > TOO_LONG * 1000 ? { error: new Error('it takes too long') } : undefined)
    return error === undefined ? undefined : this.#onFind(input, error.error)
  }

  /** Runs an input that was written down; returns what it breaks. */
  async replay(text: string): Promise<Finding | undefined> {
    const broken = await this.#run(this.#target.form.parse(text), true)
    if (broken === undefined) return undefined
    return { target: this.name, kind: kindOfFault(broken.error), error: broken.error, input: text }
  }

  #next(): I {
    const random = this.#random
    if (this.#kept.length === 0 || !random.chance(CHANGED)) return this.#target.generate(random)
    return this.#target.mutate(random.pick(this.#kept), random)
  }

  async #run(
    input: I,
    look = this.executions % LOOK_EVERY === 0,
  ): Promise<{ readonly error: unknown } | undefined> {
    try {
      const running = this.#target.run(input)
      const outcome = typeof running === 'string' ? running : await running
      if (look || typeof running !== 'string') await turn()
      this.#keep(input, outcome)
    } catch (error) {
      await turn()
      this.#strays.take()
      return { error }
    }
    return this.#strays.take()
  }

  #keep(input: I, outcome: string): void {
    if (this.#outcomes.size >= MOST_OUTCOMES || this.#outcomes.has(outcome)) return
    this.#outcomes.add(outcome)
    if (this.#kept.length < MOST_KEPT) this.#kept.push(input)
    else this.#kept[this.#random.below(MOST_KEPT)] = input
  }

  async #onFind(input: I, error: unknown): Promise<Finding | undefined> {
    const kind = kindOfFault(error)
    if (this.#found.has(kind)) return undefined
    const smallest = await minimise(this.#target, input, async smaller => {
      const broken = await this.#run(smaller, true)
      return broken === undefined ? undefined : kindOfFault(broken.error)
    })
    const finding = { target: this.name, kind, error, input: this.#target.form.format(smallest) }
    this.#found.set(kind, finding)
    return finding
  }
}

function kindOfFault(error: unknown): string {
  return error instanceof Error ? kindOf(error) : `thrown: ${String(error)}`
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
