/**
 * Owns the command `npm run fuzz [-- SECONDS]`: arguments, turns of the targets, output, exit status. Knows nothing of what a
 * target does.
 */
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { FuzzError } from './errors.js'
import { writeFinding } from './finds.js'
import { type Finding, TargetFuzzer } from './fuzzer.js'
import { Random } from './random.js'
import { Strays } from './strays.js'
import { targets } from './targets.js'

const USAGE = `Usage: npm run fuzz [-- [SECONDS] [options]]

Runs random inputs, valid ones and damaged ones, through parts of the library, for so many seconds (default: 60), and checks
what must hold for every input. Exit status 1 if something does not hold: the input is made small, and written to a file.

  --seed N         repeat the run of that seed (default: a random one, which is printed)
  --target NAME    only this target: ${targets.map(({ name }) => name).join(', ')}
  --executions N   stop each target after so many inputs
  --finds DIR      where finds are written (default: fuzz-finds)
  --input FILE     run one input, of the target that --target names, or the input itself instead of a file`

/** Milliseconds until it is the next target's turn. */
const TURN = 200
const REPORT_EVERY = 30_000

class UsageError extends FuzzError {}

interface Options {
  readonly seconds: number
  readonly seed: number
  readonly executions: number
  readonly finds: string
  readonly input: string | undefined
  readonly chosen: typeof targets
}

const note = (line: string): void => console.error(`fuzz: ${line}`)

function parse(args: string[]): Options | 'help' {
  const { values, positionals } = parsed(args)
  if (values.help === true) return 'help'
  const chosen = targets.filter(({ name }) => values.target === undefined || values.target === name)
  if (chosen.length === 0) throw new UsageError(`there is no target ${values.target}`)
  if (values.input !== undefined && chosen.length > 1) throw new UsageError('--input takes --target')
  if (positionals.length > 1) throw new UsageError('one number of seconds is enough')
  return {
    seconds: positive('SECONDS', positionals[0] ?? '60'),
    seed: values.seed === undefined ? Date.now() >>> 0 : positive('--seed', values.seed),
    executions:
      values.executions === undefined
        ? Number.POSITIVE_INFINITY
        : positive('--executions', values.executions),
    finds: values.finds,
    input: values.input,
    chosen,
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        target: { type: 'string' },
        executions: { type: 'string' },
        finds: { type: 'string', default: 'fuzz-finds' },
        input: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (text !== '' && value >= 0 && Number.isFinite(value)) return value
  throw new UsageError(`${name} takes a number, not ${text}`)
}

/** All targets take turns, until the time is up. Returns how many finds there were. */
async function fuzz({ seconds, seed, executions, finds, chosen }: Options, strays: Strays): Promise<number> {
  console.log(`seed ${seed}`)
  const fuzzers = chosen.map((target, index) => new TargetFuzzer(target, new Random(seed + index), strays))
  const spent = fuzzers.map(() => 0)
  const begun = performance.now()
  const deadline = begun + seconds * 1000
  let reported = begun
  const isDone = (): boolean =>
    performance.now() >= deadline || fuzzers.every(fuzzer => fuzzer.executions >= executions)
  while (!isDone()) {
    for (const [index, fuzzer] of fuzzers.entries()) {
      const from = performance.now()
      const until = Math.min(from + TURN, deadline)
      while (performance.now() < until && fuzzer.executions < executions) {
        const finding = await fuzzer.step()
        if (finding !== undefined) tell(finding, writeFinding(finds, finding, seed))
      }
      spent[index] = (spent[index] ?? 0) + performance.now() - from
    }
    if (performance.now() - reported < REPORT_EVERY) continue
    reported = performance.now()
    note(`${fuzzers.map(({ name, executions: count }) => `${name} ${count}`).join(', ')}`)
  }
  for (const [index, fuzzer] of fuzzers.entries()) report(fuzzer, spent[index] ?? 0)
  return fuzzers.reduce((sum, { findings }) => sum + findings.length, 0)
}

function tell({ target, kind }: Finding, path: string): void {
  note(`FOUND in ${target}: ${kind}\n      ${path}`)
}

function report({ name, executions, outcomes, findings }: TargetFuzzer<unknown>, milliseconds: number): void {
  const rate = Math.round((1000 * executions) / Math.max(1, milliseconds)).toLocaleString('en')
  const found = findings.length === 1 ? '1 find' : `${findings.length} finds`
  console.log(
    `${name.padEnd(14)} ${executions.toLocaleString('en').padStart(12)} executions, ${rate.padStart(8)} a second, ${outcomes} outcomes, ${found}`,
  )
}

/** Runs the one input that was given. Returns how many finds there were. */
async function replay({ chosen: [target], input = '' }: Options, strays: Strays): Promise<number> {
  if (target === undefined) return 0
  const text = existsSync(input) ? readFileSync(input, 'utf8') : input.replaceAll('\\n', '\n')
  const finding = await new TargetFuzzer(target, new Random(0), strays).replay(text)
  console.log(finding === undefined ? 'all invariants hold' : `broken: ${finding.kind}`)
  if (finding !== undefined) console.log(finding.error)
  return finding === undefined ? 0 : 1
}

async function main(args: string[]): Promise<boolean> {
  const options = parse(args)
  if (options === 'help') {
    console.log(USAGE)
    return true
  }
  const strays = new Strays()
  strays.start()
  try {
    return (await (options.input === undefined ? fuzz(options, strays) : replay(options, strays))) === 0
  } finally {
    strays.stop()
  }
}

try {
  if (!(await main(process.argv.slice(2)))) process.exitCode = 1
} catch (error) {
  if (!(error instanceof FuzzError)) throw error
  note(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
