/** Owns the chart: CPU time per message of every client, for the workloads that matter most. */
import { BarChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { CLIENTS, type ClientName } from '../worker/job.js'
import type { Result, Results } from './results.js'

echarts.use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

/** From top to bottom. */
const SHOWN: readonly (readonly [name: string, label: string])[] = [
  ['null:publish:100B', 'publish'],
  ['null:publish:100B+headers', 'publish, ten headers'],
  ['null:confirm:100B', 'publish, confirmed'],
  ['null:consume:100B', 'consume'],
  ['null:consume-ack:100B', 'consume and ack'],
]
const COLORS: Record<ClientName, string> = {
  puka: '#e8590c',
  amqplib: '#4c6ef5',
  'rabbitmq-client': '#748ffc',
  cloudamqp: '#bac8ff',
  raw: '#ced4da',
}
const LABELS: Partial<Record<ClientName, string>> = {
  puka: 'puka-amqp',
  cloudamqp: '@cloudamqp/amqp-client',
  raw: 'raw bytes, no client',
}
const WIDTH = 860
const ROW = 104
const FRAME = 130

/** The chart as SVG; none where nothing of it was measured. */
export function chartOf({ measurements }: Results): string | undefined {
  const rows = SHOWN.flatMap(([name, label]) => {
    const result = measurements[name]
    return result === undefined ? [] : [{ label, result }]
  })
  const [first] = rows
  if (first === undefined) return undefined
  const chart = echarts.init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: FRAME + ROW * rows.length,
  })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: {
      text: 'CPU time per message of 100 bytes, in microseconds: less is better',
      subtext: `client alone, against a peer that costs nothing; Node ${first.result.node}, medians`,
      left: 12,
      top: 8,
      textStyle: { fontSize: 15 },
    },
    legend: { bottom: 8, itemGap: 28, itemWidth: 14, data: CLIENTS.map(labelOf) },
    grid: { left: 150, right: 60, top: 64, bottom: 60 },
    xAxis: { type: 'value', splitLine: { lineStyle: { color: '#f1f3f5' } } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ label }) => label),
      axisTick: { show: false },
    },
    series: CLIENTS.map(client => ({
      name: labelOf(client),
      type: 'bar',
      itemStyle: { color: COLORS[client] },
      barGap: '10%',
      label: { show: true, position: 'right', fontSize: 10 },
      data: rows.map(({ result }) => shownCpu(result, client)),
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function labelOf(client: ClientName): string {
  return LABELS[client] ?? client
}

function shownCpu({ clients }: Result, client: ClientName): number | undefined {
  const cpu = clients[client]?.cpu
  return cpu === undefined ? undefined : Number(cpu.toPrecision(2))
}
