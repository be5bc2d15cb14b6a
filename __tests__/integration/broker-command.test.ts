/** Covers the command `npm run broker`: starting, finding again and ending a broker, and what it says when it cannot. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { amqpGreeting, answersTcp, freePort } from '../../scripts/broker/ports.js'
import { brokerUrl } from '../support/broker/broker.js'
import { TSX } from '../support/child.js'
import { eventually } from '../support/outcome.js'
import { broker, environment, MAIN, MINUTE, nodeFolders, portsOf, recordedState } from './broker-command.js'

describe('the broker command', () => {
  test(
    'starts a node on the given port, reuses it, replaces it when it died, and leaves nothing after stop',
    async () => {
      const port = await freePort()
      const started = await broker(['start', '--port', String(port)])
      expect(started).toMatchObject({ status: 0, stdout: `AMQP_URL=amqp://127.0.0.1:${port}\n` })
      expect((await amqpGreeting(port)).product).toBe('RabbitMQ')

      const again = await broker(['start'])
      expect(again).toMatchObject({ status: 0, stdout: started.stdout })
      expect(again.stderr).toContain('runs already')
      expect(await broker(['status'])).toMatchObject({ status: 0, stdout: started.stdout })

      const state = recordedState()
      if (state.kind !== 'node') throw new Error(`a private node was asked for, not ${state.kind}`)
      for (const node of state.nodes) process.kill(-node.pid, 'SIGKILL')
      const second = await broker(['start'])
      expect(second.stderr).toContain('has died')
      expect(second.status).toBe(0)
      expect(await broker(['status'])).toMatchObject({ status: 0, stdout: second.stdout })
      expect(nodeFolders()).toHaveLength(1)

      const stopped = await broker(['stop'])
      expect(stopped.stderr).toContain('stopped a private node')
      expect(stopped.status).toBe(0)
      expect(await answersTcp('127.0.0.1', portsOf(second)[0] ?? 0)).toBe(false)
      expect(nodeFolders()).toEqual([])
      expect(await broker(['status'])).toMatchObject({ status: 1, stdout: '' })
      expect((await broker(['stop'])).stderr).toContain('nothing to stop')
    },
    3 * MINUTE,
  )

  test(
    'leaves no half-started node behind when it is killed',
    async () => {
      const port = await freePort()
      const child = spawn(process.execPath, ['--import', TSX, MAIN, 'start', '--port', String(port)], {
        env: { ...process.env, ...environment() },
        stdio: 'ignore',
      })
      const ended = once(child, 'exit')
      // The node writes its data once its Erlang VM runs.
      await eventually(() =>
        nodeFolders().some(folder => {
          const data = join(folder, 'data')
          return existsSync(data) && readdirSync(data).length > 0
        }),
      )
      child.kill('SIGKILL')
      await ended
      await eventually(() => nodeFolders().length === 0)
      expect(await answersTcp('127.0.0.1', port)).toBe(false)
      expect(await broker(['status'])).toMatchObject({ status: 1, stdout: '' })
    },
    MINUTE,
  )

  test(
    'uses the broker of AMQP_URL, and leaves it alone',
    async () => {
      const env = { AMQP_URL: brokerUrl() }
      const running = { status: 0, stdout: `AMQP_URL=${brokerUrl()}\n` }
      expect(await broker(['start'], env)).toMatchObject(running)
      expect((await broker(['stop'], env)).stderr).toContain('left alone')
      expect(await broker(['status'], env)).toMatchObject(running)
      expect(nodeFolders()).toEqual([])
    },
    MINUTE,
  )

  test(
    'says which broker does not answer, but not its password',
    async () => {
      const port = await freePort()
      const outcome = await broker(['start'], { AMQP_URL: `amqp://user:secret@127.0.0.1:${port}` })
      expect(outcome.status).toBe(1)
      expect(outcome.stderr).toBe(`broker: AMQP_URL is set, but 127.0.0.1:${port} does not answer\n`)
    },
    MINUTE,
  )

  test(
    'says that a port is in use, and starts nothing',
    async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const outcome = await broker(['start', '--port', String(port)])
      await new Promise(resolve => server.close(resolve))
      expect(outcome).toEqual({ status: 1, stdout: '', stderr: `broker: port ${port} is in use\n` })
      expect(nodeFolders()).toEqual([])
    },
    MINUTE,
  )

  test.each([
    [['begin'], 'the command is start, stop or status, not "begin"'],
    [['start', '--port', 'http'], '--port takes a number from 1 to 65535, not "http"'],
    [['start', '--cluster', '1'], '--cluster takes a number from 2 to 9, not "1"'],
    [['stop', '--port', '5672'], '--port and --cluster are for start, not for stop'],
    [['start', '--prot', '5672'], "Unknown option '--prot'"],
  ])(
    'refuses the arguments %j in one clear line',
    async (args, message) => {
      const outcome = await broker(args)
      expect(outcome).toMatchObject({ status: 2, stdout: '' })
      expect(outcome.stderr).toContain(message)
      expect(outcome.stderr.trimEnd()).not.toContain('\n')
    },
    MINUTE,
  )
})
