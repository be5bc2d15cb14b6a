// From Puka: wait on a ticket, on a list of tickets, with a timeout.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const queues: [string, string, string] = ['example.wait.1', 'example.wait.2', 'example.wait.3']

// #region wait-one
const ticket = client.queueDeclare(queues[0]) // begins at once
const result = await ticket
console.log(result.messageCount)
// #endregion

// #region wait-list
const tickets = queues.map(queue => client.queueDeclare(queue))
const first = await Promise.race(tickets) // as wait(tickets) did: whichever is ready
console.log(queues.includes(first.queue))

const all = await Promise.all(tickets)
console.log(all.length)

const outcomes = await Promise.allSettled([
  client.queueDeclare(queues[0], { passive: true }),
  client.queueDeclare('no-such-queue', { passive: true }), // fails alone
])
console.log(outcomes.map(({ status }) => status).join(' '))
// #endregion

// #region wait-timeout
// Rejects with TimeoutError where there is no reply by then.
await client.queueDeclare(queues[0], { timeout: 5000 })

// As wait(consume_ticket, timeout=0.1) did: messages, but for no longer than that.
const signal = AbortSignal.timeout(100)
try {
  for await (const message of client.basicConsume('example.wait.1', { signal })) message.ack()
} catch (error) {
  console.log(error === signal.reason, signal.reason.name)
}

const leave = new AbortController()
const abandoned = client.queueDeclare(queues[0], { signal: leave.signal })
leave.abort(new Error('no longer wanted'))
await abandoned.catch(error => console.log(error.message))
// #endregion

await Promise.all(queues.map(queue => client.queueDelete(queue)))
