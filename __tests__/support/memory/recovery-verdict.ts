/** Owns what has to hold at the end of a run of the model of recovery. It tells what is wrong, in words. */
import { eventually } from '../outcome.js'
import { Refusal } from './model-broker.js'
import { QUEUES } from './recovery-commands.js'
import type { RecoveryRun, RunPublish } from './recovery-run.js'
import { exchangeName, wayTo } from './recovery-wishes.js'

/** The names of the errors that refusals with these codes may come to. */
const ERRORS: Readonly<Record<number, readonly string[]>> = {
  404: ['NotFoundError'],
  405: ['ResourceLockedError'],
  406: ['PreconditionFailedError'],
  503: ['CommandInvalidError', 'ConnectionBrokenError'],
  530: ['NotAllowedError', 'ConnectionBrokenError'],
  541: ['InternalError', 'ConnectionBrokenError'],
}

/** Ends a run, and returns what is wrong with it. */
export async function faultsOf(run: RecoveryRun): Promise<string[]> {
  const { world, client } = run
  const wrong: string[] = []
  const inTime = async (what: string, condition: () => boolean): Promise<void> => {
    await eventually(condition, 8000).catch(() => wrong.push(`${what}; state ${client.state.name}`))
  }
  world.faults.clear()
  world.block(false)
  world.breakAll()
  let isSettled = false
  void run.settled().then(() => {
    isSettled = true
  })
  await inTime('not all is settled', () => isSettled)
  wrong.push(...outcomes(run), ...run.publishes.flatMap(publish => judge(run, publish)))
  // Whatever is there now comes from the record of the client.
  await inTime('it is not open', () => client.state.name === 'open')
  world.hosts.mood = 'down'
  world.breakAll()
  await inTime('no loss was told', () => client.state.name !== 'open')
  world.releaseDead()
  world.broker.wipe()
  const since = run.told.length
  world.hosts.mood = 'up'
  await inTime('it did not recover', () => run.told.slice(since).includes('recovered'))
  if (wrong.length === 0) {
    await compare(run, wrong, inTime)
  }
  await client.close()
  await inTime('connections are left', () => world.live.length === 0)
  await Promise.all(run.consumers.map(({ loop }) => loop))
  world.stop()
  for (const { outcome, settled } of [...run.publishes, ...run.operations])
    if (settled !== 1) wrong.push(`a call was settled ${settled} times: ${outcome}`)
  return [...wrong, ...world.offences]
}

function outcomes({ operations, codes, wishes }: RecoveryRun): string[] {
  const allowed = new Set(['ok', 'ResourceLockedError', ...[...codes].flatMap(code => ERRORS[code] ?? [])])
  return operations.flatMap(({ step, outcome }) => {
    // Nobody has declared what is to be bound.
    if (allowed.has(outcome) || (step.do === 'bind' && outcome === 'NotFoundError')) return []
    // To do it twice might make two queues.
    const isOnce = step.do === 'declareQueue' && wishes.isServerNamed(step.queue)
    if (isOnce && outcome === 'ConnectionBrokenError') return []
    return outcome === '' ? [] : [`${step.do}: ${outcome}`]
  })
}

/** What is wrong with a publish. */
function judge(run: RecoveryRun, { id, exchange, outcome, targets }: RunPublish): string[] {
  const { broker, arrivals } = run.world
  if (outcome === '') return []
  const name = exchange === undefined ? '' : exchangeName(exchange)
  if (outcome === 'NotFoundError' && exchange !== undefined) {
    const mayMiss = targets.length === 0 || broker.removed.has(`exchange ${name}`)
    return mayMiss || run.lost.has(`exchange ${name}`) ? [] : [`publish ${id}: no exchange ${name}`]
  }
  // If the broker does not say what it means, and ends one connection after the other, it may mean this one.
  if ([...run.unnamed].some(code => code > 500 && ERRORS[code]?.includes(outcome))) return []
  if (outcome !== 'ok') return [`publish ${id} to ${name}: ${outcome}`]
  const all = arrivals.get(id) ?? []
  return targets.flatMap(({ queue, names }) => {
    if (run.wishes.uncertain.has(queue)) return []
    const isThere = all.some(
      ({ queues }) => !(queues instanceof Refusal) && queues.some(one => names.includes(one)),
    )
    if (isThere) return []
    const way = wayTo(names, exchange)
    const last = all.at(-1)
    const isExcused = way.some(part => {
      const why = last?.absences.get(part)
      return (why !== undefined && why !== 'connection') || run.told.some(text => text.startsWith(part))
    })
    if (isExcused) return []
    const absent = way.map(part => `${part}: ${last?.absences.get(part) ?? 'there'}`)
    return [
      `publish ${id} is confirmed, and not in ${names} (${absent.join(', ')}; came ${all.length} times)`,
    ]
  })
}

/** The topology is what the client has declared, and it works. */
async function compare(
  run: RecoveryRun,
  wrong: string[],
  inTime: (what: string, condition: () => boolean) => Promise<void>,
): Promise<void> {
  const { wishes, world, lost } = run
  const { broker } = world
  const isLost = (part: string): boolean => lost.has(part)
  for (const queue of wishes.queues) {
    const name = wishes.nameOf(queue)
    if (broker.queues.has(name) || isLost(`queue ${name}`) || wishes.uncertain.has(queue)) continue
    // Without use, it has expired, here or there.
    if (QUEUES[queue] !== 'expires') wrong.push(`queue ${name} is not there`)
  }
  const names = new Set([...wishes.queues].map(queue => wishes.nameOf(queue)))
  // A declare that is answered too late leaves a queue whose name nobody knows.
  const mayBeLeft = run.told.some(text => /^queue amq\.gen.*TIMEOUT/.test(text))
  for (const name of broker.queues.keys()) {
    if (!names.has(name) && !(mayBeLeft && name.startsWith('amq.gen')))
      wrong.push(`nobody has declared ${name}`)
  }
  for (const exchange of wishes.exchanges) {
    const name = exchangeName(exchange)
    // An auto-delete exchange goes with a queue that has expired.
    const certain = wishes
      .reached(exchange)
      .some(queue => QUEUES[queue] !== 'expires' && broker.queues.has(wishes.nameOf(queue)))
    if (!broker.exchanges.has(name) && certain && !isLost(`exchange ${name}`))
      wrong.push(`exchange ${name} is not there`)
  }
  for (const name of broker.exchanges.keys())
    if (![...wishes.exchanges].map(exchangeName).includes(name)) wrong.push(`nobody has declared ${name}`)
  for (const { queue, exchange } of wishes.bindings.values()) {
    const way = wayTo([wishes.nameOf(queue)], exchange)
    const [, binding = ''] = way
    // One that has expired, and was declared again, has none of its bindings.
    if (QUEUES[queue] === 'expires') continue
    if (way.some(isLost) || !broker.queues.has(wishes.nameOf(queue))) continue
    if (!broker.bindings.has(binding)) wrong.push(`${binding} is not there`)
  }
  for (const { consumer, queue } of run.consumers) {
    await inTime(`the consumer of ${wishes.nameOf(queue)} is ${consumer.state.name}`, () =>
      ['running', 'ended'].includes(consumer.state.name),
    )
  }
  for (const { consumer, queue, received } of run.consumers) {
    if (consumer.state.name !== 'running' || wishes.isServerNamed(queue) || !wishes.queues.has(queue))
      continue
    const { id } = run.publish(undefined, queue, 10)
    await inTime(`a running consumer of ${queue} gets nothing`, () => received.has(id))
  }
}
