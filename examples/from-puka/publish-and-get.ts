// From Puka: basic_publish and basic_get.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const { queue } = await client.queueDeclare('', { exclusive: true })

// #region publish
import { NoRouteError } from 'puka-amqp'

await client.basicPublish('', queue, 'hello', { headers: { attempt: 1 }, contentType: 'text/plain' })

try {
  await client.basicPublish('', 'no-such-queue', 'hello?', { mandatory: true })
} catch (error) {
  if (!(error instanceof NoRouteError)) throw error
  console.log(`nobody wants ${error.returned.body} at ${error.returned.routingKey}`)
}
// #endregion

// #region get
const message = await client.basicGet(queue)
console.log(message?.text(), message?.headers, message?.messageCount)
message?.ack()
console.log(await client.basicGet(queue)) // null: it is empty
// #endregion
