/** Owns what the terminal shows of a measurement. */
import type { ClientSummary, Summary } from '../runner/summary.js'
import { CLIENTS } from '../worker/job.js'

const COLUMNS = ['', 'msg/s', 'CPU µs/msg', 'alloc B/msg', 'peak MiB', 'p50 µs', 'p99 µs']

export function tableOf(name: string, summary: Summary): string {
  const rows = CLIENTS.flatMap(client => {
    const figures = summary.clients[client]
    return figures === undefined ? [] : [[client, ...cells(figures)]]
  })
  const latencies = Object.values(summary.clients).some(({ latency }) => latency !== undefined)
  const columns = latencies ? COLUMNS : COLUMNS.slice(0, 5)
  const lines = [columns, ...rows].map(row => row.slice(0, columns.length))
  const widths = columns.map((_, index) => Math.max(...lines.map(line => (line[index] ?? '').length)))
  const text = lines.map(line =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  )
  return [name, ...text.map(line => `  ${line}`), `  ${verdict(summary)}`, ''].join('\n')
}

function cells({ rate, cpu, allocated, peakRss, latency }: ClientSummary): string[] {
  return [
    count(rate),
    cpu < 10 ? cpu.toFixed(3) : cpu.toFixed(1),
    count(allocated),
    (peakRss / 1_048_576).toFixed(0),
    latency === undefined ? '' : count(latency.p50),
    latency === undefined ? '' : count(latency.p99),
  ]
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function verdict({ cpuGain, rateGain, latencyGain, overRaw }: Summary): string {
  const parts = [
    cpuGain === undefined ? '' : `${cpuGain.toFixed(2)}x less CPU than the best peer`,
    rateGain === undefined ? '' : `${rateGain.toFixed(2)}x its rate`,
    latencyGain === undefined ? '' : `${latencyGain.toFixed(2)}x lower p50`,
    overRaw === undefined ? '' : `${overRaw.toFixed(2)}x the CPU of raw`,
  ]
  return `puka: ${parts.filter(part => part !== '').join(', ') || 'nothing to compare with'}`
}
