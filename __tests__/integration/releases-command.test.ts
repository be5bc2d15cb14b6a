/** Covers what makes the command `npm run test:brokers` fail. That it passes is seen where it is run. */
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { type ChildOutcome, PROJECT, runTypeScript } from '../support/child.js'

const MINUTE = 60_000

function testBrokers(...args: string[]): Promise<ChildOutcome> {
  return runTypeScript(join(PROJECT, 'scripts/broker/releases.ts'), args, { deadline: MINUTE })
}

describe('the command that tests on several releases', () => {
  test.each([{ project: 'integration' as const }, { project: 'outage' as const }])(
    'fails where no $project test has run',
    async ({ project }) => {
      const args = project === 'outage' ? ['--outage'] : []
      // There are files of that name in the other project alone.
      const files = project === 'outage' ? 'integration/' : 'outage/'
      const outcome = await testBrokers('--only', 'installed', ...args, `__tests__/${files}`)
      expect(outcome.stderr).toContain(`the ${project} tests on RabbitMQ`)
      expect(outcome.stdout).toMatch(
        /^RabbitMQ \d+\.\d+\.\d+\S* \(installed\): no test could be run \(exit status 1\)\n$/,
      )
      expect(outcome.status).toBe(1)
    },
    MINUTE,
  )

  test.each([
    [['--only', '5.0'], '--only takes installed, 4.0, 4.3, not "5.0"'],
    [['--onyl', '4.0'], "Unknown option '--onyl'"],
  ])(
    'refuses the arguments %j',
    async (args, message) => {
      const outcome = await testBrokers(...args)
      expect(outcome).toMatchObject({ status: 2, stdout: '' })
      expect(outcome.stderr).toContain(message)
    },
    MINUTE,
  )
})
