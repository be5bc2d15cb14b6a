/** Owns what `bench:cost` asks, on this package's own build. */
import type * as Puka from '../../../src/index.js'
import { type CostClient, MOST_CHANNELS } from './client.js'

export async function open(library: string): Promise<CostClient> {
  const { connect } = (await import(library)) as typeof Puka
  return {
    connect: url => connect(url),
    async consume(url, queue, count) {
      const client = await connect(url, { channelMax: MOST_CHANNELS })
      const consumers = Array.from({ length: count }, () => client.basicConsume(queue))
      await Promise.all(consumers.map(({ ready }) => ready))
      return [client, consumers]
    },
  }
}
