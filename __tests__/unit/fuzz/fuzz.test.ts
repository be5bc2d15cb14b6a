/** Covers the command that fuzzes: a short run of a fixed seed finds nothing, one input can be run alone. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { targets } from '../../../scripts/fuzz/targets.js'
import { runTypeScript } from '../../support/child.js'

const MAIN = 'scripts/fuzz/main.ts'

let finds: string

beforeEach(() => {
  finds = mkdtempSync(join(tmpdir(), 'puka-fuzz-'))
})

afterEach(() => rmSync(finds, { recursive: true, force: true }))

test('a short run of every target finds nothing', async () => {
  const { status, stdout, stderr } = await runTypeScript(
    MAIN,
    ['50', '--seed', '1', '--executions', '50', '--finds', finds],
    { deadline: 90_000 },
  )
  expect(stderr).not.toContain('FOUND')
  const lines = stdout.trim().split('\n')
  expect(lines[0]).toBe('seed 1')
  for (const { name } of targets)
    expect(stdout).toMatch(new RegExp(`^${name} .* executions, .* 0 finds$`, 'm'))
  expect(lines).toHaveLength(1 + targets.length)
  expect(status).toBe(0)
  expect(readdirSync(finds)).toEqual([])
}, 120_000)

test('one input can be run again', async () => {
  const args = ['--target', 'session', '--input', 'connect\\nturn\\nqueue q']
  const { status, stdout } = await runTypeScript(MAIN, args)
  expect([status, stdout]).toEqual([0, 'all invariants hold\n'])
})

test.each([
  [['--target', 'none'], 'fuzz: there is no target none\n'],
  [['--target', 'parser', '--input', 'no'], 'fuzz: these are no bytes: no\n'],
])('%j is refused in a line', async (args, expected) => {
  const { status, stderr } = await runTypeScript(MAIN, args)
  expect(stderr).toBe(expected)
  expect(status).not.toBe(0)
})
