/** Owns what `bench:cost` asks, on @cloudamqp/amqp-client. */
import { AMQPClient } from '@cloudamqp/amqp-client'
import { type CostClient, MOST_CHANNELS, times } from './client.js'

export async function open(): Promise<CostClient> {
  return {
    connect: url => new AMQPClient(url).connect(),
    async consume(url, queue, count) {
      const connection = await new AMQPClient(`${url}?channelMax=${MOST_CHANNELS}`).connect()
      return times(count, async () => {
        const channel = await connection.channel()
        await channel.basicConsume(queue, { noAck: false }, () => {})
        return channel
      })
    },
  }
}
