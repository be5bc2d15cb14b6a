/** Covers what tests may ask of the broker that they share, and the private nodes of those that need one. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { amqpGreeting, answersTcp } from '../../scripts/broker/ports.js'
import {
  brokerIsAtLeast,
  brokerVersion,
  ctl,
  type PrivateNode,
  startPrivateNode,
} from '../support/broker/broker.js'
import { type Certificates, makeCertificates } from '../support/broker/certificates.js'

const MINUTE = 60_000

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
    node = await startPrivateNode({ tls: { ca: certificates.ca, ...certificates.server }, external: true })
  }, 2 * MINUTE)

  afterAll(async () => {
    await node.stop()
    certificates.remove()
  }, MINUTE)

  /** What the broker says first over TLS, to the owner of a certificate. */
  async function greetingOverTls(): Promise<string> {
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
    return start
  }

  test(
    'says nothing while it is suspended, and goes on when it is resumed',
    async () => {
      node.suspend()
      await expect(amqpGreeting(node.port, '127.0.0.1', 500)).rejects.toThrow('did not answer in time')
      expect(node.running).toBe(true)
      node.resume()
      await node.ready()
    },
    MINUTE,
  )

  test(
    'speaks AMQP over TLS, keeps its data and its ports when it is killed and restarted, and can be shut down in order',
    async () => {
      expect(await greetingOverTls()).toMatch(/EXTERNAL/)
      await node.ctl('add_vhost', 'kept')
      const { url, tlsUrl } = node
      await node.kill()
      expect(node.running).toBe(false)
      expect(await answersTcp('127.0.0.1', node.port)).toBe(false)

      await node.restart()
      expect([node.url, node.tlsUrl]).toEqual([url, tlsUrl])
      expect(await greetingOverTls()).toMatch(/EXTERNAL/)
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
