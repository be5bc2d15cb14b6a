// A worker that ends gracefully. Run it with: npm run build && npx tsx examples/worker.ts
// AMQP_URL says where the broker is.

// #region worker
import { connect, type Message } from 'puka-amqp'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await client.queueDeclare('example.work')

const consumer = client.basicConsume('example.work', { prefetchCount: 20 })
const handled = consumer.forEach(work, {
  concurrency: 1,
  onError: error => console.error('a task failed', error),
})

// An orchestrator says SIGTERM, and kills what is still there some time later (30 s by default on Kubernetes).
process.once('SIGTERM', () => {
  // Takes no more, lets the handlers end, waits for their acks and for pending confirms, closes.
  client.drain({ timeout: 25_000 }).catch(error => {
    console.error('not everything was completed', error.message)
    process.exitCode = 1
  })
})

// Rejects if the consumer fails: then there is nothing to work for, and the orchestrator starts another one.
handled.catch(error => {
  console.error('the consumer has failed', error)
  process.exitCode = 1
  return client.close()
})
// #endregion

for (const task of ['a task', 'another task', 'the last task']) {
  await client.basicPublish('', 'example.work', task)
}
await handled
await client.closed

async function work(message: Message): Promise<void> {
  const task = message.text()
  await new Promise(resolve => setTimeout(resolve, 20))
  console.log(`${task} is done`)
  // The example ends itself, as an orchestrator would.
  if (task === 'the last task') process.kill(process.pid, 'SIGTERM')
}
