// What a client does, told by channels. Run it with: npm run build && npx tsx examples/observability/channels.ts

// #region channels
import { tracingChannel } from 'node:diagnostics_channel'
import { connect, type PublishTrace } from 'puka-amqp'

tracingChannel('puka-amqp:publish').asyncEnd.subscribe(context => {
  const { exchange, routingKey, error } = context as PublishTrace
  console.log(`${exchange}:${routingKey}`, error === undefined ? 'confirmed' : String(error))
})

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await client.basicPublish('amq.topic', 'prices.eur', '1.08')
// #endregion

await client.close()
