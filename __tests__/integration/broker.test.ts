/**
 * Owns the tests of the broker tooling itself: the command line, the shared broker, private nodes. Knows nothing of the
 * client. A node takes seconds to start, hence few and long tests.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { attachBroker, type BrokerState } from '../../scripts/broker/broker.js'
import { amqpGreeting, answersTcp, freePort } from '../../scripts/broker/ports.js'
import {
  brokerIsAtLeast,
  brokerUrl,
  brokerVersion,
  ctl,
  type PrivateNode,
  startPrivateNode,
} from '../support/broker/broker.js'
import { type Certificates, makeCertificates } from '../support/broker/certificates.js'

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const MAIN = fileURLToPath(new URL('../../scripts/broker/main.ts', import.meta.url))
const MINUTE = 60_000

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

// The temporary folder is where the command keeps its state: one of our own keeps it apart from the broker
// that a developer may have running, and shows what is left over.
let folder: string
const STATE = 'puka-amqp-broker-'

const command = (args: readonly string[]): string[] => ['--import', TSX, MAIN, ...args]

const environment = (env: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  AMQP_URL: '',
  PUKA_BROKER: 'node',
  TMPDIR: folder,
  ...env,
})

function broker(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise(resolve => {
    execFile(process.execPath, command(args), { env: environment(env) }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

const urls = (outcome: Outcome): string[] =>
  [...outcome.stdout.matchAll(/^AMQP_URL=(.+)$/gm)].map(match => match[1] ?? '')
const portOf = (url: string): number => Number(new URL(url).port)
const entries = (prefix: string): string[] => readdirSync(folder).filter(name => name.startsWith(prefix))
const nodeFolders = (): string[] => entries('puka-node-')

function recordedState(): BrokerState {
  const [name = ''] = entries(STATE)
  return JSON.parse(readFileSync(join(folder, name, 'broker.json'), 'utf8')) as BrokerState
}

/** For what another process does without telling us. */
async function eventually(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in time')
    await delay(20)
  }
}

describe('the broker command', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(realpathSync(tmpdir()), 'puka-broker-test-'))
  })

  afterEach(async () => {
    if (entries(STATE).some(name => existsSync(join(folder, name, 'broker.json')))) await broker(['stop'])
  }, MINUTE)

  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))

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
      expect(await answersTcp('127.0.0.1', portOf(urls(second)[0] ?? ''))).toBe(false)
      expect(nodeFolders()).toEqual([])
      expect(await broker(['status'])).toMatchObject({ status: 1, stdout: '' })
      expect((await broker(['stop'])).stderr).toContain('nothing to stop')
    },
    3 * MINUTE,
  )

  test(
    'makes three nodes into one cluster, which is gone after stop',
    async () => {
      const started = await broker(['start', '--cluster', '3'])
      expect(started.stderr).toContain('a cluster of 3 nodes')
      const ports = urls(started).map(portOf)
      expect(new Set(ports).size).toBe(3)

      const report = await attachBroker(recordedState()).ctl?.('cluster_status', '--formatter', 'json')
      expect(JSON.parse(report ?? '').running_nodes).toHaveLength(3)

      expect((await broker(['stop'])).status).toBe(0)
      const answers = await Promise.all(ports.map(port => answersTcp('127.0.0.1', port)))
      expect(answers).toEqual([false, false, false])
      expect(nodeFolders()).toEqual([])
    },
    3 * MINUTE,
  )

  test(
    'leaves no half-started node behind when it is killed',
    async () => {
      const port = await freePort()
      const child = spawn(process.execPath, command(['start', '--port', String(port)]), {
        env: environment(),
        stdio: 'ignore',
      })
      const ended = once(child, 'exit')
      // The node has its data folder once its Erlang VM runs.
      await eventually(() => nodeFolders().some(name => readdirSync(join(folder, name, 'data')).length > 0))
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

describe('the shared broker', () => {
  test('is known by its version', () => {
    expect(brokerVersion()).toMatch(/^\d+\.\d+\.\d+/)
    expect(brokerIsAtLeast(3, 8)).toBe(true)
    expect(brokerIsAtLeast(99)).toBe(false)
  })

  test(
    'obeys rabbitmqctl, unless it is that of AMQP_URL',
    async () => {
      if (process.env.AMQP_URL) {
        await expect(ctl('version')).rejects.toThrow('run the tests without AMQP_URL')
        return
      }
      expect(await ctl('version')).toContain(brokerVersion())
      await expect(ctl('no_such_command')).rejects.toThrow('rabbitmqctl no_such_command failed')
    },
    MINUTE,
  )
})

describe('a private node', () => {
  let certificates: Certificates
  let node: PrivateNode

  beforeAll(async () => {
    certificates = await makeCertificates()
    node = await startPrivateNode({
      tls: { ca: certificates.ca, ...certificates.server },
      external: true,
    })
  }, 2 * MINUTE)

  afterAll(async () => {
    await node.stop()
    certificates.remove()
  }, MINUTE)

  test(
    'speaks AMQP over TLS, and offers EXTERNAL to the owner of a certificate',
    async () => {
      const socket = connect({
        port: node.tlsPort ?? 0,
        host: 'localhost',
        ca: certificates.caPem,
        cert: readFileSync(certificates.client.cert),
        key: readFileSync(certificates.client.key),
      })
      socket.write('AMQP\0\0\u0009\u0001')
      let start = ''
      for await (const chunk of socket) {
        start += String(chunk)
        if (start.includes('en_US')) break
      }
      expect(socket.authorized).toBe(true)
      expect(start).toMatch(/EXTERNAL/)
    },
    MINUTE,
  )

  test(
    'keeps its data and its ports when it is killed and restarted, and can be shut down in order',
    async () => {
      await node.ctl('add_vhost', 'kept')
      const { url } = node
      await node.kill()
      expect(node.running).toBe(false)
      expect(await answersTcp('127.0.0.1', node.port)).toBe(false)

      await node.restart()
      expect(node.url).toBe(url)
      expect(await node.ctl('-q', 'list_vhosts')).toContain('kept')

      await node.shutdown()
      expect(node.running).toBe(false)
      // Nothing of the kind is logged where a node is killed.
      expect(node.logTail()).toMatch(/stopped TCP listener|Message store .* is stopped/)
    },
    2 * MINUTE,
  )

  test(
    'that cannot start says why, with the end of its log',
    async () => {
      await expect(startPrivateNode({ config: ['no_such_setting = 1'] })).rejects.toThrow(
        /^RabbitMQ ended with exit status[\s\S]*no_such_setting/,
      )
    },
    MINUTE,
  )
})
