// From Puka: loop and loop_break.

import { connect } from 'puka-amqp'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const { queue } = await client.queueDeclare('', { exclusive: true })
for (const body of ['one', 'two', 'stop']) await client.basicPublish('', queue, body)

// #region loop
const loopBreak = new AbortController()

void client
  .basicConsume(queue)
  .forEach(
    message => {
      console.log(message.text())
      if (message.text() === 'stop') loopBreak.abort()
    },
    { signal: loopBreak.signal },
  )
  // The end of the consumer: take leave of the broker in good order.
  .then(() => client.drain())

await client.closed // the loop: everything goes on until the client has come to its end
console.log('over')
// #endregion
