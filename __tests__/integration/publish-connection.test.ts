/** Covers how many connections a client has with the broker, and what they are called there. */
import { expect, test } from '@jest/globals'
import type { ClientOptions } from '../../src/index.js'
import { ctl } from '../support/broker/broker.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'

/** The names of the connections whose name begins so, as the broker knows them. */
async function namesAt(beginning: string): Promise<string[]> {
  const text = await ctl('-q', '--no-table-headers', 'list_connections', 'client_properties')
  return [...text.matchAll(/"connection_name","([^"]+)"/g)]
    .map(([, name = '']) => name)
    .filter(name => name.startsWith(beginning))
    .sort()
}

test.each<[ClientOptions, string[]]>([
  [{}, ['', ' (publishing)']],
  [{ publishConnection: 'separate' }, ['', ' (publishing)']],
  [{ publishConnection: 'shared' }, ['']],
])(
  'with %p, a client that publishes has as many connections as it says, and one before',
  async (options, expected) => {
    const connectionName = uniqueName()
    const client = await open({ connectionName, ...options })
    const queue = await newQueue(client)
    expect(await namesAt(connectionName)).toEqual([connectionName])
    await client.basicPublish('', queue, 'through')
    expect((await client.basicGet(queue, { noAck: true }))?.text()).toBe('through')
    expect(await namesAt(connectionName)).toEqual(expected.map(rest => `${connectionName}${rest}`))
  },
)
