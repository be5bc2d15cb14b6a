/** Covers `npm run load` as its user sees it, in a small run: a process, its output, its exit status. */
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { connect } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { type ChildOptions, type ChildOutcome, PROJECT, runNode, TSX } from '../support/child.js'

const MINUTE = 60_000
const MAIN = join(PROJECT, 'scripts/load/main.ts')

function load(args: readonly string[], options: ChildOptions = {}): Promise<ChildOutcome> {
  const env = { AMQP_URL: brokerUrl(), ...options.env }
  return runNode(['--expose-gc', '--import', TSX, MAIN, ...args], { deadline: 2 * MINUTE, ...options, env })
}

const SMALL = ['--minutes', '0.05', '--consumers', '40', '--queues', '10']

describe('the load', () => {
  test(
    'passes where nothing goes wrong, and prints every figure',
    async () => {
      const { status, stdout, stderr } = await load(SMALL)
      expect({ status, stderr, end: stdout.trimEnd().split('\n').at(-1) }).toEqual({
        status: 0,
        stderr: '',
        end: 'PASSED: nothing lost, no error, everything settled and closed',
      })
      expect(stdout).toMatch(/ 40 consumers, 2 of them slow, on 10 queues, 1 client: heap \d+ MiB/)
      const report =
        /published [\d,]+\/s, received [\d,]+\/s, operations [\d,]+\/s; heap \d+ MiB, buffers \d+ MiB, RSS \d+ MiB, \d+ handles; event loop p50 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms$/gm
      expect(stdout.match(report)).toHaveLength(2)
      const [, published, confirmed, received] =
        /([\d,]+) messages published, ([\d,]+) confirmed, ([\d,]+) received/.exec(stdout) ?? []
      expect(published).toMatch(/^[1-9]/)
      expect({ confirmed, received }).toEqual({ confirmed: published, received: published })
      expect(stdout).toMatch(/ [1-9][\d,]* operations, of which [1-9][\d,]* failed as they should$/m)
      expect(stdout).toMatch(/ all closed: .* \d+ handles$/m)
    },
    3 * MINUTE,
  )

  test(
    'fails where a message is missing',
    async () => {
      const thief = await connect(brokerUrl(), { recovery: false })
      let stolen: Promise<void> | undefined
      try {
        const { status, stdout } = await load([...SMALL, '--patience', '2'], {
          onOutput: text => {
            const [, prefix] = /all names begin with (\S+)\n.* slow, on /s.exec(text) ?? []
            if (prefix !== undefined) stolen ??= steal(`${prefix}.q3`)
          },
        })
        await stolen
        expect(status).toBe(1)
        expect(stdout).toMatch(/^FAULT: messages that were lost: 1$/m)
        expect(stdout.trimEnd().split('\n').at(-1)).toBe('FAILED')
      } finally {
        await thief.close()
      }

      async function steal(queue: string): Promise<void> {
        for await (const message of thief.basicConsume(queue, { prefetchCount: 1 })) {
          message.ack()
          break
        }
      }
    },
    3 * MINUTE,
  )

  test.each([
    [['--minutes', '0'], /--minutes takes a number above 0$/],
    [['--queues', '1.5'], /--queues takes a whole number above 0$/],
    [['--consumers', '19', '--queues', '10'], /--consumers takes .* at least twice/],
    [['--fast'], /--fast/],
  ])(
    'says in one line that it cannot take %j',
    async (args, message) => {
      const { status, stdout, stderr } = await load(args)
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
      expect(stderr).toMatch(/^load: .*\n$/)
      expect(stderr.trimEnd()).toMatch(message)
    },
    MINUTE,
  )
})
