/** Covers a network that resets connections again and again while much is published. */
import { expect, test } from '@jest/globals'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newQueue, open } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { namesOf, tally } from '../support/outcome.js'

const MESSAGES = 20_000
/** So many are accepted by the client between two resets, whether they get through or not. */
const BETWEEN_RESETS = 2000

test('each reset has few publishes stored twice, however many wait, and all get through', async () => {
  const proxy = await TcpProxy.start(brokerUrl(), {})
  const client = await open({ recovery: { initialDelay: 20 } }, proxy.url)
  const queue = await newQueue(client)
  const publishes: Promise<void>[] = []
  let resets = 0
  while (publishes.length < MESSAGES) {
    for (let n = 0; n < BETWEEN_RESETS; n++) {
      publishes.push(client.basicPublish('', queue, `${publishes.length}`))
    }
    const recovered = new Promise<void>(resolve => client.once('recovered', () => resolve()))
    const { confirmed } = client.metrics()
    proxy.cut('reset')
    resets++
    await recovered
    // Some of what waits is on its way at the next reset.
    await publishes[confirmed]
  }
  expect(tally(await namesOf(publishes))).toEqual({ ok: MESSAGES })
  const texts = await getTexts(await open(), queue)
  expect(new Set(texts).size).toBe(MESSAGES)
  // Written without a window, all that waits would be stored twice at each reset.
  expect(texts.length - MESSAGES).toBeLessThanOrEqual(BETWEEN_RESETS + resets * 200)
}, 120_000)
