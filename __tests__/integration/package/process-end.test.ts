/** Covers that a process that has used the package ends by itself. It needs the build in dist. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { UserProject } from '../../support/user-project.js'

const MINUTE = 60_000

let project: UserProject

beforeAll(async () => {
  project = await UserProject.create()
}, MINUTE)

afterAll(() => {
  project.remove()
})

describe('a process ends by itself', () => {
  const START = `
    import { connect } from 'puka-amqp'
    const client = await connect(process.env.AMQP_URL)
    const { queue } = await client.queueDeclare('', { exclusive: true })
    await client.basicPublish('', queue, 'one')
    const consumer = client.basicConsume(queue, { prefetchCount: 1 })
    void consumer.forEach(() => console.log('handled')).catch(() => undefined)
    await consumer.ready`

  test.each(['close', 'drain'])(
    'after %s()',
    async ending => {
      const { status, stdout, stderr } = await project.program(
        `${ending}.mjs`,
        `${START}\nawait client.${ending}()\nconsole.log('ended')`,
      )
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout.trimEnd().split('\n').at(-1)).toBe('ended')
    },
    MINUTE,
  )

  test(
    'when connect() has failed',
    async () => {
      const { status, stdout } = await project.program(
        'refused.mjs',
        `import { connect } from 'puka-amqp'
        await connect('amqp://127.0.0.1:1').catch(error => console.log(error.code))`,
      )
      expect({ status, stdout }).toEqual({ status: 0, stdout: 'CONNECTION_BROKEN\n' })
    },
    MINUTE,
  )

  test(
    'and lives as long as its connection otherwise',
    async () => {
      const { status, stdout } = await project.program(
        'lives.mjs',
        `${START}
        setTimeout(async () => { console.log('lived'); await client.close() }, 500).unref()`,
      )
      expect(status).toBe(0)
      expect(stdout).toContain('lived')
    },
    MINUTE,
  )
})
