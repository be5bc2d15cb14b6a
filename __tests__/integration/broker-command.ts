/**
 * Owns running the command `npm run broker` as its user does, in a temporary folder of its own for each test: there it keeps
 * its state, and its nodes their folders. Whatever a test leaves is ended after it. Knows nothing of what is tested.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from '@jest/globals'
import type { BrokerState } from '../../scripts/broker/broker.js'
import { type ChildOutcome, PROJECT, runTypeScript } from '../support/child.js'
import { eventually } from '../support/outcome.js'

export const MINUTE = 60_000
export const MAIN = join(PROJECT, 'scripts/broker/main.ts')
const STATE = 'puka-amqp-broker-'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'puka-broker-test-'))
})

afterEach(async () => {
  if (stateFile() !== undefined) await broker(['stop'])
  // What a test that failed has left half started, its guard ends.
  await eventually(() => nodeFolders().length === 0)
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}, MINUTE)

/** The environment of the command: no broker but a private node, in the folder of the test. */
export const environment = (env: Record<string, string> = {}): Record<string, string> => ({
  AMQP_URL: '',
  PUKA_BROKER: 'node',
  TMPDIR: folder,
  ...env,
})

export function broker(args: readonly string[], env: Record<string, string> = {}): Promise<ChildOutcome> {
  return runTypeScript(MAIN, args, { env: environment(env), deadline: 2 * MINUTE })
}

const entries = (prefix: string): string[] => readdirSync(folder).filter(name => name.startsWith(prefix))

/** The folders of nodes that are there. */
export const nodeFolders = (): string[] => entries('puka-node-').map(name => join(folder, name))

function stateFile(): string | undefined {
  return entries(STATE)
    .map(name => join(folder, name, 'broker.json'))
    .find(existsSync)
}

/** What the command has left for later ones to find. */
export function recordedState(): BrokerState {
  return JSON.parse(readFileSync(stateFile() ?? '', 'utf8')) as BrokerState
}

/** The ports of the brokers that a command has printed. */
export const portsOf = ({ stdout }: ChildOutcome): number[] =>
  [...stdout.matchAll(/^AMQP_URL=(.+)$/gm)].map(([, url = '']) => Number(new URL(url).port))
