/** Owns the figures in docs/performance.md: the tables between its two marks, made from the results. */
import type { CostFigures } from '../cost/figures.js'
import { CLIENTS, type ClientName } from '../worker/job.js'
import type { Result, Results } from './results.js'

const BEGIN = '<!-- figures: written by npm run bench -- --publish -->'
const END = '<!-- end of figures -->'

/** The document with its figures brought up to date. */
export function withFigures(document: string, results: Results): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md must have "${BEGIN}" and "${END}"`)
  return `${document.slice(0, begin)}${BEGIN}\n\n${figuresOf(results)}\n\n${document.slice(end)}`
}

function figuresOf(results: Results): string {
  const sections = [
    section(results, 'null', 'Against the null peer'),
    section(results, 'rabbitmq', 'Against RabbitMQ'),
    costSection(results.cost),
  ]
  return sections.filter(text => text !== '').join('\n\n')
}

function section({ measurements }: Results, peer: string, title: string): string {
  const entries = Object.entries(measurements).filter(([, result]) => result.peer === peer)
  const [first] = entries
  if (first === undefined) return ''
  const { machine, node, date, broker } = first[1]
  const where = [`Node ${node}`, machine, ...(broker === undefined ? [] : [broker]), date].join(', ')
  const head = ['', ...CLIENTS, 'best peer / puka', 'rate']
  const rows = entries.map(([name, result]) => [
    name.slice(peer.length + 1),
    ...CLIENTS.map(client => cpuOf(result, client)),
    times(result.cpuGain),
    times(result.rateGain),
  ])
  const latency = entries.filter(([, result]) => result.latencyGain !== undefined)
  return [
    `### ${title}`,
    `CPU µs per message, medians (${where}). "rate" is that of puka over that of the fastest peer.`,
    markdownTable([head, ...rows]),
    ...(latency.length === 0 ? [] : [latencyTable(latency, peer)]),
    'Bytes allocated on the heap per message:',
    markdownTable([
      ['', ...CLIENTS],
      ...entries.map(([name, result]) => [
        name.slice(peer.length + 1),
        ...CLIENTS.map(client => allocatedBy(result, client)),
      ]),
    ]),
  ].join('\n\n')
}

function latencyTable(entries: readonly (readonly [string, Result])[], peer: string): string {
  const rows = entries.map(([name, { clients }]) => [
    name.slice(peer.length + 1),
    ...CLIENTS.map(client => {
      const latency = clients[client]?.latency
      return latency === undefined ? '' : `${latency.p50.toFixed(0)} / ${latency.p99.toFixed(0)}`
    }),
  ])
  return `Latency in µs, p50 / p99:\n\n${markdownTable([['', ...CLIENTS], ...rows])}`
}

function costSection(cost: Results['cost']): string {
  const entries = Object.entries(cost ?? {}) as [ClientName, CostFigures][]
  if (entries.length === 0) return ''
  const row = (title: string, of: (figures: CostFigures) => string): string[] => [
    title,
    ...entries.map(([, figures]) => of(figures)),
  ]
  const kib = (bytes: number): string => (bytes / 1024).toFixed(1)
  return [
    '### Outside the hot path',
    markdownTable([
      ['', ...entries.map(([client, { version }]) => `${client} ${version}`)],
      row('import, ms', f => f.importTime.toFixed(1)),
      row('first connect, ms', f => f.firstConnect.toFixed(1)),
      row('further connects, ms', f => f.connect.toFixed(2)),
      row('idle connection, KiB', f => kib(f.perConnection)),
      row('consumer on a channel of its own, KiB', f => kib(f.perConsumer)),
      row('package, KiB', f => `${kib(f.packed)} (${kib(f.unpacked)} unpacked)`),
      row('minified bundle, KiB', f => `${kib(f.bundle)} (${kib(f.bundleGzip)} gzipped)`),
    ]),
  ].join('\n\n')
}

function cpuOf({ clients }: Result, client: ClientName): string {
  const cpu = clients[client]?.cpu
  return cpu === undefined ? '' : cpu.toPrecision(cpu < 1 ? 2 : 3)
}

function allocatedBy({ clients }: Result, client: ClientName): string {
  const figures = clients[client]
  return figures === undefined ? '' : Math.round(figures.allocated).toLocaleString('en')
}

function times(gain: number | undefined): string {
  return gain === undefined ? '' : `${gain.toPrecision(2)}x`
}

function markdownTable([head = [], ...rows]: string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  )
}
