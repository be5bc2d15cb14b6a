/** Covers the logger of a user's own: what it is told, at which level, and that it harms nobody. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ArgumentError, Client, type Logger } from '../../../src/index.js'
import { closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import { eventually } from '../../support/outcome.js'

afterEach(closeRecoveringClients)

class Lines implements Logger {
  readonly all: string[] = []
  debug = (text: string): unknown => this.all.push(`debug ${text}`)
  info = (text: string): unknown => this.all.push(`info ${text}`)
  warn = (text: string): unknown => this.all.push(`warn ${text}`)
  error = (text: string): unknown => this.all.push(`error ${text}`)
}

describe('a logger', () => {
  test('is told of a connection that is lost and comes back, and of the end', async () => {
    const lines = new Lines()
    const { client, peer, heard } = await recoveringClient({ logger: lines })
    peer.hangUp()
    await heard('recovered')
    await client.close()
    await eventually(() => lines.all.at(-1) === 'info puka-amqp: closed')
    expect(lines.all).toEqual([
      expect.stringMatching(/^info puka-amqp: connected to \S+ \(peer 1\)$/),
      expect.stringMatching(/^warn puka-amqp: the connection is lost: /),
      expect.stringMatching(/^info puka-amqp: reconnecting to \S+ in \d+ ms \(attempt 1\)$/),
      expect.stringMatching(/^info puka-amqp: recovered: connected to \S+, topology and consumers are back$/),
      'info puka-amqp: closed',
    ])
  })

  test('is told of a consumer that ends, as an error if its user did not want that', async () => {
    const lines = new Lines()
    const { client, peer } = await recoveringClient({ logger: lines })
    await client.basicConsume('q', { consumerTag: 'wanted' }).cancel()
    peer.on('basic.consume', ({ channel }) => peer.closeChannel(channel, 404, 'NOT_FOUND', 'basic.consume'))
    await client.basicConsume('q', { consumerTag: 'unwanted' }).ready.catch(() => undefined)
    await eventually(() => lines.all.some(line => line.includes('unwanted')))
    expect(lines.all).toContain('debug puka-amqp: the consumer wanted has ended')
    expect(lines.all).toContain(
      'error puka-amqp: the consumer unwanted has ended: basicConsume: NOT_FOUND (404)',
    )
  })

  test('that throws harms nobody', async () => {
    const rude = (): never => {
      throw new Error('no log today')
    }
    const logger = { debug: rude, info: rude, warn: rude, error: rude }
    const { client, peer, heard } = await recoveringClient({ logger })
    peer.hangUp()
    await heard('recovered')
    expect(client.isOpen).toBe(true)
  })

  test('may be the console', () => {
    expect(() => new Client('amqp://localhost', { logger: console })).not.toThrow()
  })

  test.each([null, 'console', () => undefined, {}, { debug: 1, info: 1, warn: 1, error: 1 }])(
    'is refused if it is none: %p',
    logger => {
      const make = (): Client => new Client('amqp://localhost', { logger: logger as unknown as Logger })
      expect(make).toThrow(ArgumentError)
      expect(make).toThrow('logger must be an object with the methods debug, info, warn, error')
    },
  )
})
