/**
 * Owns which publishes may be meant for a part of the topology that is not back yet: those to a queue by its name, and
 * those to an exchange that leads there, as far as this client has bound it.
 */
import type { MissingRoutes } from '../publishing/held-publishes.js'
import type { Restoration } from './restoration.js'
import type { TopologyRecord } from './topology-record.js'

/** Undefined if nothing is missing. */
export function missingRoutes(
  record: TopologyRecord,
  late: Iterable<Restoration>,
): MissingRoutes | undefined {
  const queues = new Set<string>()
  const exchanges = new Set<string>()
  for (const { entity, subject } of late) {
    if (entity.kind === 'queue') queues.add(entity.name)
    else if (entity.kind === 'exchange') exchanges.add(entity.name)
    else exchanges.add(sourceOf(subject))
  }
  if (queues.size === 0 && exchanges.size === 0) return undefined
  for (const { queue, exchange } of record.queueBindings) if (queues.has(queue)) exchanges.add(exchange)
  addUpstream(record, exchanges)
  return { queues: [...queues], exchanges }
}

/** Adds the exchanges from which messages go on to these. */
function addUpstream(record: TopologyRecord, exchanges: Set<string>): void {
  const sources = new Map<string, string[]>()
  const lead = (source: string, destination: unknown): void => {
    if (typeof destination !== 'string') return
    const known = sources.get(destination)
    if (known === undefined) sources.set(destination, [source])
    else known.push(source)
  }
  for (const { source, destination } of record.exchangeBindings) lead(source, destination)
  for (const { exchange, arguments: args } of record.exchanges) lead(exchange, args['alternate-exchange'])
  // A set gives what is added meanwhile, too.
  for (const exchange of exchanges) for (const source of sources.get(exchange) ?? []) exchanges.add(source)
}

function sourceOf(binding: object): string {
  if ('source' in binding) return String(binding.source)
  return 'exchange' in binding ? String(binding.exchange) : ''
}
