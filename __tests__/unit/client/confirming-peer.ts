/** Owns a client whose peer confirms what is published, for tests that want to keep the confirms back. */
import type { ClientOptions } from '../../../src/index.js'
import { connectToPeer } from '../../support/memory/peer-client.js'

/** A peer that confirms each message at once, until it is told to keep its confirms. */
export async function confirming(options?: ClientOptions) {
  const { client, peer } = await connectToPeer(options)
  const bodies: string[] = []
  const broker = { silent: false }
  let tag = 0
  const confirmAll = (): void => peer.send(1, 'basic.ack', { deliveryTag: tag, multiple: true })
  peer.on('basic.publish', ({ channel, body }) => {
    bodies.push(body.toString())
    if (channel !== 1) return
    tag++
    if (!broker.silent) confirmAll()
  })
  return { client, peer, broker, bodies, confirmAll }
}
