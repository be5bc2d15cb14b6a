// The first steps, as in README.md. AMQP_URL says where the broker is.

// #region quick-start
import { connect } from 'puka-amqp'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

await client.queueDeclare('example.tasks')
// Resolves when the broker has taken responsibility for the message.
await client.basicPublish('', 'example.tasks', 'hello')

for await (const message of client.basicConsume('example.tasks', { prefetchCount: 100 })) {
  console.log(message.text())
  message.ack()
  break // leaving the loop cancels the consumer
}

// Completes what is in flight, then closes.
await client.drain()
// #endregion
