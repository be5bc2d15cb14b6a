/** Covers how the fuzzer finds, and makes small what it has found: with targets that are broken on purpose. */
import { expect, test } from '@jest/globals'
import { demand } from '../../../scripts/fuzz/errors.js'
import { chunks } from '../../../scripts/fuzz/forms.js'
import { TargetFuzzer } from '../../../scripts/fuzz/fuzzer.js'
import { mutateBytes } from '../../../scripts/fuzz/mutation.js'
import { formatBytes, parseBytes } from '../../../scripts/fuzz/notation.js'
import { Random } from '../../../scripts/fuzz/random.js'
import { Strays } from '../../../scripts/fuzz/strays.js'
import type { Target } from '../../../scripts/fuzz/target.js'

/** A target of random bytes that breaks where they do. */
function broken(run: (bytes: Buffer) => string | Promise<string>): Target<readonly Buffer[]> {
  return {
    name: 'broken',
    form: chunks,
    generate: random => [random.bytes(50)],
    mutate: (input, random) => [mutateBytes(Buffer.concat(input), random)],
    run: input => run(Buffer.concat(input)),
  }
}

async function firstFinding(target: Target<readonly Buffer[]>, seed = 1) {
  const fuzzer = new TargetFuzzer(target, new Random(seed), new Strays())
  for (let step = 0; step < 500; step++) {
    const finding = await fuzzer.step()
    if (finding !== undefined) return { finding, fuzzer }
  }
  throw new Error('nothing was found')
}

const holdsNo42 = (bytes: Buffer): string => {
  demand(!bytes.includes(0x42), `byte ${bytes.indexOf(0x42)} is 42`)
  return 'ok'
}

test('a find is made as small as can be', async () => {
  const { finding } = await firstFinding(broken(holdsNo42))
  expect(finding).toMatchObject({ target: 'broken', kind: 'BrokenInvariant byte # is #', input: '42' })
})

test('a find of a promise is one, too', async () => {
  const { finding } = await firstFinding(broken(async bytes => holdsNo42(bytes)))
  expect(finding.input).toBe('42')
})

test('a kind of fault is told once', async () => {
  const { fuzzer } = await firstFinding(broken(holdsNo42))
  for (let step = 0; step < 500; step++) expect(await fuzzer.step()).toBeUndefined()
  expect(fuzzer.findings).toHaveLength(1)
  expect(fuzzer.executions).toBeGreaterThan(500)
})

test('the same seed finds the same', async () => {
  const counts = await Promise.all(
    [3, 3].map(async seed => (await firstFinding(broken(holdsNo42), seed)).fuzzer),
  )
  expect(counts[0]?.executions).toBe(counts[1]?.executions)
})

test('what is written down can be run again', async () => {
  const { fuzzer } = await firstFinding(broken(holdsNo42))
  expect(await fuzzer.replay('# a comment\n00 4242')).toMatchObject({ kind: 'BrokenInvariant byte # is #' })
  expect(await fuzzer.replay('00\n01')).toBeUndefined()
})

test('bytes are written with repetitions as one, and are read again', () => {
  const bytes = Buffer.concat([Buffer.from([1, 2]), Buffer.alloc(300, 0x61), Buffer.from([0xce])])
  expect(formatBytes(bytes)).toBe('0102 61*300 ce')
  expect(parseBytes('0102 61*300 ce')).toEqual(bytes)
  expect(parseBytes('')).toEqual(Buffer.alloc(0))
})
