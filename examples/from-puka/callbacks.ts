// From Puka: callbacks in place of waiting.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

// #region callbacks
const chain = client
  .queueDeclare('', { exclusive: true })
  .then(({ queue }) => client.basicPublish('', queue, 'hello').then(() => queue))
  .then(queue => client.basicGet(queue, { noAck: true }))
  .then(message => console.log(message?.text()))
  .catch(error => console.error(error))
// #endregion
await chain

const { queue } = await client.queueDeclare('', { exclusive: true })
await client.basicPublish('', queue, 'one')
await client.basicPublish('', queue, 'two')

// #region callbacks-consume
const consumer = client.basicConsume(queue)
const over = consumer.forEach(message => {
  console.log(`got ${message.text()}`) // acked when this returns, rejected when it throws
  if (message.text() === 'two') void consumer.cancel()
})
// #endregion
await over
