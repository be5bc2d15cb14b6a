// What users of amqplib write, here. Run it with: npm run build && npx tsx examples/from-amqplib.ts
// AMQP_URL says where the broker is.

import { connect } from 'puka-amqp'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

// #region order
// With amqplib, channel.assertQueue() and channel.sendToQueue() go out in the order of the calls. Here, await the first.
await client.queueDeclare('example.orders', { durable: true })
await client.basicPublish('', 'example.orders', JSON.stringify({ id: 1 }), {
  contentType: 'application/json',
})
// #endregion

// #region promises
// channel.publish() returned a boolean; this is a promise. Wait for several at once, or handle the error of each.
const ids = [2, 3, 4]
await Promise.all(ids.map(id => client.basicPublish('', 'example.orders', JSON.stringify({ id }))))
client.basicPublish('', 'example.orders', JSON.stringify({ id: 5 })).catch(error => {
  console.error('not published', error)
})
// #endregion

// #region consume
// channel.prefetch(10) and channel.consume(queue, callback) are one call, whose options are the consumer's own.
const consumer = client.basicConsume('example.orders', { prefetchCount: 10 })
let total = 0
await consumer.forEach(
  async message => {
    total += message.json<{ id: number }>().id
    if (total === 15) void consumer.cancel()
  },
  { concurrency: 5, requeue: false, onError: error => console.error(error) },
)
console.log(`the ids make ${total}`)
// #endregion

await client.queueDelete('example.orders')
await client.drain()
