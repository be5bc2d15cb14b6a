/** Owns what `bench:cost` asks, on rabbitmq-client. */
import { Connection } from 'rabbitmq-client'
import { type CostClient, MOST_CHANNELS, times } from './client.js'

async function connect(url: string): Promise<Connection> {
  const connection = new Connection({ url, maxChannels: MOST_CHANNELS })
  await connection.onConnect()
  return connection
}

export async function open(): Promise<CostClient> {
  return {
    connect,
    async consume(url, queue, count) {
      const connection = await connect(url)
      return times(count, async () => {
        const channel = await connection.acquire()
        await channel.basicConsume({ queue }, () => {})
        return channel
      })
    },
  }
}
