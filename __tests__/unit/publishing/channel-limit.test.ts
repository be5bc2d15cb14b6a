/** Covers publishing on a connection that allows fewer channels than publishing takes. */
import { afterEach, expect, test } from '@jest/globals'
import { ResourceError } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'

afterEach(closeClients)

test.each([
  ['is written at once', undefined],
  ['waits', new AbortController().signal],
])(
  'a publish without a confirm says that its channel is not to be had, one with a confirm goes, where it %s',
  async (_, signal) => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax: 1 } })
    let deliveryTag = 0
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: ++deliveryTag, multiple: false }),
    )
    const unconfirmed = ['a', 'b'].map(body => client.basicPublish('', 'q', body, { confirm: false, signal }))
    for (const publish of unconfirmed) {
      await expect(publish).rejects.toMatchObject({
        constructor: ResourceError,
        operation: 'basicPublish',
        message: expect.stringContaining('channelMax'),
      })
    }
    await client.basicPublish('', 'q', 'c', { signal })
    expect(peer.all('channel.open').map(({ channel }) => channel)).toEqual([1])
    expect(client.metrics().pendingPublishes).toBe(0)
  },
)
