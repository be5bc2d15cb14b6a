// A work queue: tasks are kept by the broker until a worker has done them; one that failed is tried again.
// Run it with: npm run build && npx tsx examples/work-queue.ts

import { connect, type Message } from 'puka-amqp'

const QUEUE = 'example.work-queue'
const TASKS = 20

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await client.queueDeclare(QUEUE)

// All at once: each promise resolves when its own task is safe with the broker.
const tasks = Array.from({ length: TASKS }, (_, number) => ({ number }))
await Promise.all(tasks.map(task => client.basicPublish('', QUEUE, JSON.stringify(task))))

const allDone = new AbortController()
let done = 0
let failures = 0

async function work(message: Message): Promise<void> {
  const { number } = message.json<{ number: number }>()
  if (number === 7 && !message.redelivered) throw new Error('the worker stumbles over task 7')
  done++
  if (done === TASKS) allDone.abort()
}

// Four at a time: a handler that resolves acks its message, one that fails gives it back to the queue.
await client.basicConsume(QUEUE).forEach(work, {
  concurrency: 4,
  signal: allDone.signal,
  onError: () => failures++,
})
console.log(`${done} tasks done, ${failures} failure`)

await client.queueDelete(QUEUE)
