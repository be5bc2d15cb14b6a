// From Puka: basic_consume and its relatives.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const { queue } = await client.queueDeclare('', { exclusive: true })
const { queue: otherQueue } = await client.queueDeclare('', { exclusive: true })
for (const body of ['one', 'two', 'three', 'four']) await client.basicPublish('', queue, body)
await client.basicPublish('', otherQueue, 'five')

// #region consume
for await (const message of client.basicConsume(queue, { prefetchCount: 10 })) {
  console.log(message.text(), message.routingKey === queue)
  if (message.text() === 'one') client.basicAck(message)
  else client.basicReject(message, { requeue: false })
  if (message.text() === 'two') break
}
// #endregion

// #region multi
const consumer = client.basicConsumeMulti([queue, { queue: otherQueue, exclusive: true }], {
  prefetchCount: 1,
})
await client.basicQos(consumer, 3) // of both queues together, at once
const texts: string[] = []
for await (const message of consumer) {
  texts.push(message.text())
  if (texts.length === 3) await client.basicCancel(consumer) // the loop ends
  message.ack()
}
console.log(texts.sort().join(' '))
// #endregion
