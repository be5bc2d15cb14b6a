// From Puka: exceptions, which are about one ticket and leave the others alone.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

// #region errors
import { AmqpError, NotFoundError } from 'puka-amqp'

// 99 operations at once, of which a third fail: the other ones do not notice.
const outcomes = await Promise.allSettled(
  Array.from({ length: 99 }, (_, number) =>
    number % 3 === 0
      ? client.basicGet(`example.missing.${number}`)
      : client.queueDeclare('', { exclusive: true }),
  ),
)
const failures = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
console.log(
  failures.length,
  failures.every(error => error instanceof NotFoundError),
)

try {
  await client.queueBind('example.missing', 'amq.topic', 'a.b')
} catch (error) {
  if (!(error instanceof AmqpError)) throw error
  console.log(error.code, error.replyCode, error.operation)
}
// #endregion
