/**
 * Owns a model of what comes of publishes while exchanges come and go: which outcomes are right, and what has to be stored.
 * Time is a number that grows with each thing that happens. Knows nothing of the client under test, the network.
 */
import { EXCHANGE_TYPES, type PublishStep, QUEUES } from './publish-steps.js'

/** What may be true of an exchange: it leads to its queue, it leads nowhere (yet), or it does not exist. */
type RouteState = 'bound' | 'unbound' | 'missing'

interface Change {
  readonly at: number
  readonly states: readonly RouteState[]
}

interface Deletion {
  readonly began: number
  readonly by: 'self' | 'other'
  ended: number
}

/** A publish, and when it happened. */
export interface PublishRecord {
  readonly id: number
  readonly step: PublishStep
  readonly began: number
  /** 'ok', or the name of its error. */
  outcome: string
  /** What its error says. */
  text: string
  settled: number
  /** It may have been with the broker no longer than this. */
  over: number
}

/** What has to become of a publish. */
export interface Verdict {
  readonly outcomes: readonly string[]
  /** How often it is stored if nothing is lost or repeated; undefined: that is not certain. */
  readonly stored: 0 | 1 | undefined
  /** Whether the broker gives it back. */
  readonly returned: boolean
  /** Published without a confirm, it is stored or comes back, unless it is lost. */
  readonly visible: boolean
  /** It may close the channel while others are in flight that have nothing to do with it. */
  readonly surprising: boolean
}

const ALL: readonly RouteState[] = ['bound', 'unbound', 'missing']
const NOT_FOUND = 'NotFoundError'

class ExchangeModel {
  readonly #changes: Change[] = [{ at: 0, states: ['bound'] }]
  readonly deletions: Deletion[] = []

  change(at: number, states: readonly RouteState[]): void {
    this.#changes.push({ at, states })
  }

  /** What may have been true at some time between. */
  between(from: number, to: number): Set<RouteState> {
    const before = this.#changes.findLast(({ at }) => at <= from)
    const within = this.#changes.filter(({ at }) => at > from && at <= to)
    return new Set([...(before?.states ?? []), ...within.flatMap(({ states }) => states)])
  }

  /** The client knows that it is missing, before it publishes. */
  deletedBySelfBefore(time: number): boolean {
    const last = this.deletions.findLast(({ began }) => began < time)
    return last !== undefined && last.by === 'self' && last.ended < time
  }
}

export class PublishModel {
  readonly #exchanges = EXCHANGE_TYPES.map(() => new ExchangeModel())
  #time = 0

  now(): number {
    return ++this.#time
  }

  /** An exchange is deleted between this call and that of the function that it returns. */
  deleting(exchange: number, by: 'self' | 'other'): () => void {
    const model = this.#exchange(exchange)
    const deletion = { began: this.now(), by, ended: Number.POSITIVE_INFINITY }
    model.deletions.push(deletion)
    model.change(deletion.began, ALL)
    return () => {
      deletion.ended = this.now()
      model.change(deletion.ended, ['missing'])
    }
  }

  /** An exchange is declared and bound between this call and that of the function that it returns. */
  restoring(exchange: number): () => void {
    const model = this.#exchange(exchange)
    const time = this.now()
    if (model.between(time, time).has('missing')) model.change(time, ALL)
    return () => model.change(this.now(), ['bound'])
  }

  /** What has to become of a publish; `first`: no other one went to its exchange before, with or without confirms. */
  judge({ step, began, settled, over, outcome }: PublishRecord, first: boolean): Verdict {
    const { target, confirm, mandatory, userId, invalid } = step
    if (invalid) return refused('ArgumentError')
    if (target.to === 'missing') return refused(NOT_FOUND)
    if (target.to === 'internal') return refused('AccessRefusedError')
    if (target.to === 'forbidden') {
      return { ...refused('AccessRefusedError', ...(confirm ? [] : ['ok'])), visible: true, surprising: true }
    }
    const states: Set<RouteState> =
      target.to === 'exchange'
        ? this.#exchange(target.number).between(began, outcome === 'ok' ? over : settled)
        : new Set(['bound'])
    const outcomes: string[] = []
    let surprising = false
    if (states.has('missing')) {
      outcomes.push(NOT_FOUND)
      const foreseen =
        target.to === 'exchange' &&
        this.#exchange(target.number).deletedBySelfBefore(began) &&
        states.size === 1
      surprising = !foreseen && !first
      if (!confirm && surprising) outcomes.push('ok')
    }
    if (states.has('bound') || states.has('unbound')) {
      if (userId === 'foreign') outcomes.push('PreconditionFailedError')
      else outcomes.push(...this.#accepted(step, states))
    }
    const accepted = userId !== 'foreign' && (states.has('bound') || states.has('unbound'))
    const leads = leadsToQueue(step)
    const certain =
      !leads || states.size === 1 || (states.size === 2 && !states.has('unbound') && outcome === 'ok')
    let stored: Verdict['stored'] = accepted && leads ? 1 : 0
    if (!certain) stored = undefined
    const returned =
      accepted && mandatory && (target.to === 'nowhere' || (!leads && target.to === 'exchange'))
    const visible = returned || (leads && !states.has('unbound'))
    return { outcomes: [...new Set(outcomes)], stored, returned, visible, surprising }
  }

  /** What comes of a publish that the broker takes. */
  #accepted({ target, confirm, mandatory }: PublishStep, states: ReadonlySet<RouteState>): string[] {
    if (!confirm) return ['ok']
    if (target.to === 'full') return ['NackedError']
    if (!mandatory) return ['ok']
    if (target.to === 'nowhere' || (target.to === 'exchange' && !leadsToQueue({ target })))
      return ['NoRouteError']
    return states.has('unbound') ? ['ok', 'NoRouteError'] : ['ok']
  }

  #exchange(number: number): ExchangeModel {
    const model = this.#exchanges[number]
    if (model === undefined) throw new Error(`there is no exchange ${number}`)
    return model
  }
}

function refused(...outcomes: string[]): Verdict {
  return { outcomes, stored: 0, returned: false, visible: false, surprising: false }
}

/** Whether it gets to a queue where the test looks, unless its exchange is missing or not bound. */
export function leadsToQueue({ target }: Pick<PublishStep, 'target'>): boolean {
  if (target.to === 'exchange') return target.routed || EXCHANGE_TYPES[target.number] === 'fanout'
  return target.to === 'queue' || target.to === 'permitted'
}

/** The number of the queue that it gets to. */
export function queueOf({ target }: PublishStep): number {
  return target.to === 'queue' || target.to === 'exchange' ? target.number % QUEUES : 0
}
