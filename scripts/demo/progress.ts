/**
 * Owns showing how far both sides are: bars on a terminal, plain lines elsewhere. Knows nothing of what is counted. It
 * looks at the meters now and then; nobody has to tell it.
 */
import { MultiBar, Presets } from 'cli-progress'
import type { Meter } from './meter.js'

export type Sides = Readonly<Record<'published' | 'received', Meter>>

const BAR_INTERVAL = 100
const LINE_INTERVAL = 1000

export const count = (value: number): string => Math.round(value).toLocaleString('en-US')

const percent = (meter: Meter, total: number): number =>
  total === 0 ? 100 : Math.min(100, Math.floor((meter.bytes / total) * 100))

/** Shows the progress towards `total` bytes on both sides until the function that it returns is called. */
export function showProgress(
  sides: Sides,
  total: number,
  out: NodeJS.WriteStream = process.stdout,
): () => void {
  return out.isTTY ? showBars(sides, total, out) : showLines(sides, total)
}

function showBars(sides: Sides, total: number, out: NodeJS.WriteStream): () => void {
  const bars = new MultiBar(
    {
      format: '{side} [{bar}] {percent}% | {messages} messages | {rate}/s',
      barsize: 30,
      hideCursor: true,
      stream: out,
    },
    Presets.legacy,
  )
  const rows = Object.entries(sides).map(([side, meter]) => {
    const state = () => ({
      side: side.padEnd(9),
      percent: String(percent(meter, total)).padStart(3),
      messages: count(meter.messages),
      rate: count(meter.rate),
    })
    // In per cent: a bar towards nothing, for an empty file, cannot be drawn.
    return { bar: bars.create(100, 0, state()), meter, state }
  })
  const show = (): void => {
    for (const { bar, meter, state } of rows) bar.update(percent(meter, total), state())
  }
  const timer = setInterval(show, BAR_INTERVAL)
  return () => {
    clearInterval(timer)
    show()
    bars.stop()
  }
}

function showLines(sides: Sides, total: number): () => void {
  const show = (): void => {
    const parts = Object.entries(sides).map(
      ([side, meter]) => `${side} ${count(meter.messages)} messages (${percent(meter, total)}%)`,
    )
    console.log(parts.join(', '))
  }
  const timer = setInterval(show, LINE_INTERVAL)
  return () => {
    clearInterval(timer)
    show()
  }
}
