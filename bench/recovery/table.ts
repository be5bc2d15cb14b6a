/** Owns what the terminal shows of recoveries. */
import { median } from '../runner/summary.js'
import type { Recovery } from './measure.js'
import type { Size } from './topology.js'

export interface Row {
  readonly size: Size
  readonly recoveries: readonly Recovery[]
}

const COLUMNS = [
  'queues',
  'bindings',
  'consumers',
  'recovered, s',
  'from',
  'to',
  'all run, s',
  'ms per queue',
]

export function recoveryTable(title: string, rows: readonly Row[]): string {
  const lines = [COLUMNS, ...rows.map(cells)]
  const widths = COLUMNS.map((_, index) => Math.max(...lines.map(line => (line[index] ?? '').length)))
  const text = lines.map(line => line.map((cell, index) => cell.padStart(widths[index] ?? 0)).join('  '))
  return [title, ...text.map(line => `  ${line}`), ''].join('\n')
}

function cells({ size, recoveries }: Row): string[] {
  const recovered = recoveries.map(recovery => recovery.recovered)
  const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(2)
  return [
    ...[size.queues, size.bindings, size.consumers].map(count => count.toLocaleString('en')),
    seconds(median(recovered)),
    seconds(Math.min(...recovered)),
    seconds(Math.max(...recovered)),
    seconds(median(recoveries.map(({ healthy }) => healthy))),
    (median(recovered) / size.queues).toFixed(2),
  ]
}
