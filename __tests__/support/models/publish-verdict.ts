/**
 * Owns the comparison of a run of publishing with its model: what is told of each publish, what is stored, how often and in
 * what order. It returns what is wrong, in words.
 */
import { type PublishRecord, queueOf, type Verdict } from './publish-model.js'
import type { PublishRun, Stored } from './publish-run.js'
import { EXCHANGE_TYPES, QUEUES } from './publish-steps.js'

interface Judged {
  readonly record: PublishRecord
  readonly verdict: Verdict
  readonly stored: readonly Stored[]
  readonly returned: number
}

/** What is wrong with a run that has come to its end. */
export async function faultsOf(run: PublishRun): Promise<string[]> {
  const queues = await Promise.all(Array.from({ length: QUEUES }, (_, number) => run.read(number)))
  const judged = verdictsOf(run, queues)
  const faults = [...run.troubles]
  for (const confirm of [true, false]) {
    const group = judged.filter(({ record }) => record.step.confirm === confirm)
    const disturbed = group.some(({ verdict }) => verdict.surprising)
    for (const one of group) {
      const wrong = confirm ? faultOf(one, run, disturbed) : unconfirmedFaultOf(one, run, disturbed)
      if (wrong !== undefined) faults.push(`${describe(one)}: ${wrong}`)
    }
    if (confirm || run.cuts === 0) faults.push(...queues.flatMap(queue => disorder(queue, group)))
  }
  const missing = judged.filter(isMissing)
  const { lost, resent, reconnects, pendingPublishes, pendingPublishBytes } = run.client.metrics()
  if (missing.length > lost)
    faults.push(
      `${missing.length} messages are missing, but ${lost} lost: ${missing.map(describe).join('; ')}`,
    )
  if (run.told !== lost) faults.push(`the lost events told of ${run.told} messages, the metrics of ${lost}`)
  if (run.cuts === 0 && reconnects > 0) faults.push(`the connection was lost ${reconnects} times`)
  if (run.cuts === 0 && resent > 0 && !judged.some(({ verdict }) => verdict.surprising))
    faults.push(`${resent} publishes were sent again, but nothing has happened to them`)
  const calm =
    run.cuts === 0 && !judged.some(({ record, verdict }) => !record.step.confirm && verdict.surprising)
  if (calm && lost > 0) faults.push(`${lost} messages are told to be lost, but nothing has happened to them`)
  if (pendingPublishes !== 0 || pendingPublishBytes !== 0)
    faults.push(`${pendingPublishes} publishes (${pendingPublishBytes} bytes) are pending at the end`)
  return faults
}

function verdictsOf(run: PublishRun, queues: readonly (readonly Stored[])[]): Judged[] {
  const seen = new Set<string>()
  return run.records.map(record => {
    const { target, confirm } = record.step
    const exchange = target.to === 'exchange' ? `${target.number} ${confirm}` : ''
    const first = !seen.has(exchange)
    if (!record.step.invalid) seen.add(exchange)
    return {
      record,
      verdict: run.model.judge(record, first),
      stored: queues.flat().filter(({ id }) => id === record.id),
      returned: run.returned.get(record.id) ?? 0,
    }
  })
}

/** What is wrong with what came of a publish with a confirm. */
function faultOf({ record, verdict, stored, returned }: Judged, run: PublishRun, disturbed: boolean) {
  const { outcome, step } = record
  const exact = run.cuts === 0 && !disturbed
  const broken = outcome === 'ConnectionBrokenError' && !step.retry && !exact && !step.invalid
  if (!broken && !verdict.outcomes.includes(outcome)) return `it should be ${verdict.outcomes.join(' or ')}`
  const wrongMessage = sizeFault(record, stored)
  if (wrongMessage !== undefined) return wrongMessage
  if (returned > 0) return 'it came back by an event, though it has a confirm'
  if (verdict.stored === undefined) return undefined
  const wanted = outcome === 'ok' || broken ? verdict.stored : 0
  if (wanted === 0) return stored.length > 0 && verdict.stored === 0 ? 'it is stored' : undefined
  if (outcome === 'ok' && stored.length === 0) return 'it is not stored'
  if ((exact || !step.retry) && stored.length > 1) return `it is stored ${stored.length} times`
  return undefined
}

/** What is wrong with what came of a publish without a confirm. */
function unconfirmedFaultOf(
  { record, verdict, stored, returned }: Judged,
  run: PublishRun,
  disturbed: boolean,
) {
  const { outcome, step } = record
  const broken = outcome === 'ConnectionBrokenError' && !step.retry && run.cuts > 0 && !step.invalid
  if (!broken && !verdict.outcomes.includes(outcome)) return `it should be ${verdict.outcomes.join(' or ')}`
  const wrongMessage = sizeFault(record, stored)
  if (wrongMessage !== undefined) return wrongMessage
  if (verdict.stored === 0 && stored.length > 0) return 'it is stored'
  if (verdict.stored !== undefined && !verdict.returned && returned > 0) return 'it came back'
  if (run.cuts > 0) return undefined
  if (stored.length + returned > 1)
    return `it is stored ${stored.length} times, and came back ${returned} times`
  if (disturbed || outcome !== 'ok' || verdict.stored === undefined) return undefined
  if (stored.length !== verdict.stored) return 'it is not stored'
  return verdict.returned && returned === 0 ? 'it did not come back' : undefined
}

function sizeFault({ step, id }: PublishRecord, stored: readonly Stored[]): string | undefined {
  const size = step.mark === 'body' ? Math.max(step.size, `${id} `.length) : step.size
  const wrong = stored.find(message => message.size !== size)
  return wrong === undefined ? undefined : `it has ${wrong.size} bytes, not ${size}`
}

/** It was published without a confirm, and should be somewhere, but is not. */
function isMissing({ record, verdict, stored, returned }: Judged): boolean {
  const { step, outcome } = record
  return verdict.visible && !step.confirm && outcome === 'ok' && stored.length + returned === 0
}

/** The first comings of those that were published one after the other are in that order. */
function disorder(queue: readonly Stored[], group: readonly Judged[]): string[] {
  const ids = new Set(group.flatMap(({ record }) => (record.outcome === 'ok' ? [record.id] : [])))
  const first = [...new Set(queue.map(({ id }) => id))].filter(id => ids.has(id))
  return first.flatMap((id, at) => {
    const before = first[at - 1]
    return before !== undefined && before > id ? [`message ${id} came behind ${before}`] : []
  })
}

function describe({ record, verdict, stored, returned }: Judged): string {
  const { id, step, outcome, began, settled } = record
  const { target, confirm, mandatory, retry, userId } = step
  const to =
    target.to === 'exchange' ? `${EXCHANGE_TYPES[target.number]} exchange ${target.number}` : target.to
  const flags = [confirm ? 'confirm' : 'no confirm', mandatory ? 'mandatory' : '', retry ? '' : 'no retry']
  const what = `${flags.filter(Boolean).join(', ')}, userId ${userId}, queue ${queueOf(step)}`
  const fate = `stored ${stored.length}, returned ${returned}${verdict.surprising ? ', surprising' : ''}`
  return `publish ${id} to ${to} (${what}; ${began} to ${settled}): ${outcome}, ${fate}${record.text === '' ? '' : ` (${record.text})`}`
}
