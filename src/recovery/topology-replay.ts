/**
 * Owns the replay of the recorded topology on a new session: exchanges, then queues, then bindings. What cannot come
 * back is reported and does not stop the rest; what a dead connection still holds comes later.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArgsOf, Method, SynchronousName } from '../codec/methods.gen.js'
import { encodeRequest } from '../connection/request.js'
import { debugRecovery } from '../debug.js'
import { AmqpError, InternalError, NotFoundError } from '../errors.js'
import type { TopologyEntity } from '../options.js'
import { isLocked, isUnavailable, LOCK_TIMEOUT } from '../reply-codes.js'
import type { Session } from '../session/session.js'
import { Ticket, type TicketCounter } from '../ticket.js'
import { ignore } from '../util/promise.js'
import type {
  ExchangeArgs,
  ExchangeBinding,
  QueueBinding,
  RecordedQueue,
  TopologyRecord,
} from './topology-record.js'

/** What a replay tells. */
export interface ReplayEvents {
  onQueueRenamed(from: string, to: string): void
  onTopologyError(entity: TopologyEntity, error: AmqpError): void
}

/** What the replay stands on. */
export interface ReplayHome {
  readonly session: Session
  readonly counter: TicketCounter
  /** The session has come to its end, also after the replay: nothing can be brought back on it. */
  readonly lost: () => boolean
  readonly events: ReplayEvents
}

/** Milliseconds between two tries to get a queue that is held by another connection. */
const HELD_PAUSE = 500

/** What was reported on a session: what is tried again, since something else went meanwhile, is not reported twice. */
const reported = new WeakMap<Session, Set<string>>()

/** Brings back what is on record. Rejects only where the session is lost. */
export async function replay(record: TopologyRecord, home: ReplayHome): Promise<void> {
  await Promise.all(record.exchanges.map(args => declareExchange(home, args)))
  await Promise.all(record.queues.map(([name, queue]) => replayQueue(record, name, queue, home)))
  await Promise.all([
    ...record.exchangeBindings.map(args => bindExchange(home, args)),
    ...record.queueBindings
      .filter(({ queue }) => !record.isAwaited(queue))
      .map(args => {
        const restore = record.mayVanish(args) ? () => restoreQueue(record, args.queue, home) : undefined
        return bind(home, args, restore)
      }),
  ])
}

/**
 * Brings back one queue with all that binds it. What is deleted by itself may go when the broker sees that the old
 * connection is dead: behind its own return, but before a binding or a consumer holds it.
 */
export async function restoreQueue(record: TopologyRecord, name: string, home: ReplayHome): Promise<void> {
  const queue = record.queue(name)
  if (queue === undefined) return
  await attempt(home, { kind: 'queue', name }, () => declare(record, name, queue, home))
  await restoreBindings(record, record.nameOf(name), home)
}

async function restoreBindings(record: TopologyRecord, queue: string, home: ReplayHome): Promise<void> {
  const bindings = record.queueBindings.filter(binding => binding.queue === queue)
  const sources = new Set(bindings.map(({ exchange }) => exchange))
  const toSources = record.exchangeBindings.filter(({ destination }) => sources.has(destination))
  await Promise.all(
    record.exchanges.filter(({ exchange }) => sources.has(exchange)).map(args => declareExchange(home, args)),
  )
  await Promise.all([
    ...toSources.map(args => bindExchange(home, args)),
    ...bindings.map(args => bind(home, args)),
  ])
}

async function replayQueue(
  record: TopologyRecord,
  name: string,
  queue: RecordedQueue,
  home: ReplayHome,
): Promise<void> {
  record.setAwaited(name, false)
  await attempt(home, { kind: 'queue', name }, async () => {
    try {
      await declare(record, name, queue, home)
    } catch (error) {
      if (!isLocked(error)) throw error
      debugRecovery('queue %s is held by another connection', name)
      record.setAwaited(name, true)
      void claim(record, name, home)
    }
  })
}

/**
 * Waits for a queue that may be held by the dead connection still, which the broker may take its time to see. The rest
 * of the recovery need not wait for that; what binds the queue does.
 */
async function claim(record: TopologyRecord, name: string, home: ReplayHome): Promise<void> {
  const since = performance.now()
  for (;;) {
    // The session's end wakes nobody here, so this must not keep a process alive.
    await sleep(HELD_PAUSE, undefined, { ref: false })
    const queue = record.queue(name)
    if (queue === undefined) return
    try {
      await declare(record, name, queue, home)
      break
    } catch (error) {
      // What is on record comes back on the next session.
      if (home.lost()) return
      if (isLocked(error) && performance.now() - since < LOCK_TIMEOUT) continue
      record.setAwaited(name, false)
      report(home, { kind: 'queue', name }, error)
      return
    }
  }
  await restoreBindings(record, name, home).catch(ignore)
  if (!home.lost()) record.setAwaited(name, false)
}

async function declare(
  record: TopologyRecord,
  name: string,
  { args, serverNamed }: RecordedQueue,
  home: ReplayHome,
): Promise<void> {
  if (!serverNamed) {
    await call(home, 'queue.declare', args)
    return
  }
  // Only what the connection has taken along needs another name.
  if (!args.exclusive && (await exists(args, home))) return
  const reply = await call(home, 'queue.declare', { ...args, queue: '' })
  if (reply.name !== 'queue.declare-ok') return
  record.renameQueue(name, reply.args.queue)
  home.events.onQueueRenamed(name, reply.args.queue)
}

async function exists(args: ArgsOf<'queue.declare'>, home: ReplayHome): Promise<boolean> {
  try {
    await call(home, 'queue.declare', { ...args, passive: true })
    return true
  } catch (error) {
    if (error instanceof NotFoundError && !isUnavailable(error)) return false
    throw error
  }
}

function declareExchange(home: ReplayHome, args: ExchangeArgs): Promise<void> {
  return attempt(home, { kind: 'exchange', name: args.exchange }, () => call(home, 'exchange.declare', args))
}

function bindExchange(home: ReplayHome, args: ExchangeBinding): Promise<void> {
  return attempt(home, bindingOf(args.source, args.destination, args.routingKey), () =>
    call(home, 'exchange.bind', args),
  )
}

/** Binds a queue; `onMissing` is asked for what is not there, if it can be. */
function bind(home: ReplayHome, args: QueueBinding, onMissing?: () => Promise<void>): Promise<void> {
  return attempt(home, bindingOf(args.exchange, args.queue, args.routingKey), async () => {
    try {
      await call(home, 'queue.bind', args)
    } catch (error) {
      if (onMissing === undefined || !(error instanceof NotFoundError) || home.lost()) throw error
      await onMissing()
    }
  })
}

async function attempt(home: ReplayHome, entity: TopologyEntity, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (home.lost()) throw error
    report(home, entity, error)
  }
}

function report(home: ReplayHome, entity: TopologyEntity, error: unknown): void {
  const names = reported.get(home.session) ?? new Set()
  reported.set(home.session, names)
  const name = `${entity.kind} ${entity.name}`
  if (names.has(name)) return
  names.add(name)
  debugRecovery('%s %s does not come back: %s', entity.kind, entity.name, error)
  const reason = error instanceof AmqpError ? error : new InternalError(String(error), { cause: error })
  home.events.onTopologyError(entity, reason)
}

function call<N extends SynchronousName>(
  { session, counter }: ReplayHome,
  name: N,
  args: ArgsOf<N>,
): Promise<Method> {
  const ticket = new Ticket<Method>(counter.next(), 'recovery', {}, ignore)
  session.call(ticket, encodeRequest(name, args, session.frameMax), ({ method }) => method)
  return ticket.promise
}

function bindingOf(source: string, destination: string, routingKey: string): TopologyEntity {
  return { kind: 'binding', name: `${source} -> ${destination} (${routingKey})` }
}
