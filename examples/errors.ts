// The snippet of docs/errors.md.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

// #region errors
import { AmqpError, PreconditionFailedError } from 'puka-amqp'

await client.queueDeclare('example.errors', { arguments: { 'x-max-length': 10 } })
try {
  await client.queueDeclare('example.errors', { arguments: { 'x-max-length': 20 } })
} catch (error) {
  if (error instanceof PreconditionFailedError) {
    console.log(error.code, error.replyCode, error.operation) // PRECONDITION_FAILED 406 queueDeclare
  } else if (error instanceof AmqpError) {
    console.error(error.message) // the broker, or the client, says why
  } else {
    throw error
  }
}
// #endregion

await client.queueDelete('example.errors')
