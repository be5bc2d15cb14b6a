/** Owns what `bench:cost` asks, on amqplib. */
import amqplib from 'amqplib'
import { type CostClient, MOST_CHANNELS, times } from './client.js'

export async function open(): Promise<CostClient> {
  return {
    connect: url => amqplib.connect(url),
    async consume(url, queue, count) {
      const connection = await amqplib.connect(`${url}?channelMax=${MOST_CHANNELS}`)
      return times(count, async () => {
        const channel = await connection.createChannel()
        await channel.consume(queue, () => {})
        return channel
      })
    },
  }
}
