// The snippets of docs/consuming.md.

import { type Client, connect, type Message } from 'puka-amqp'

const url = process.env.AMQP_URL ?? 'amqp://localhost'

/** How many messages are still to be handled; then the client is drained, which ends every loop. */
let due = 0
let drain = (): void => undefined

async function handle(message: Message): Promise<void> {
  if (--due === 0) setImmediate(drain)
  if (message.text() === 'bad') throw new Error('a bad message')
}

const show = handle

async function loop(client: Client, queue: string): Promise<void> {
  // #region loop
  for await (const message of client.basicConsume(queue, { prefetchCount: 50 })) {
    try {
      await handle(message)
      message.ack()
    } catch {
      message.reject({ requeue: !message.redelivered }) // once again, then drop or dead-letter it
    }
  }
  // #endregion
}

async function forEach(client: Client, queue: string): Promise<void> {
  const stop = new AbortController()
  drain = () => stop.abort()
  // #region for-each
  await client.basicConsume(queue).forEach(handle, {
    concurrency: 10,
    requeue: false,
    signal: stop.signal,
    onError: (error, message) => console.error(`${message.routingKey}: ${error}`),
  })
  // #endregion
}

async function multi(client: Client, orders: string): Promise<void> {
  const { queue: refunds } = await client.queueDeclare('', { exclusive: true })
  await client.basicPublish('', refunds, 'a refund')
  // #region multi
  const consumer = client.basicConsumeMulti([orders, { queue: refunds, arguments: { 'x-priority': 10 } }], {
    prefetchCount: 20,
  })
  await consumer.ready // both queues are consumed from; else this says why not
  // #endregion
  for await (const message of consumer) {
    await handle(message)
    message.ack()
  }
}

async function noAck(client: Client, queue: string): Promise<void> {
  // #region no-ack
  for await (const message of client.basicConsume(queue, { noAck: true, prefetchCount: 100 })) {
    await show(message) // slow: the broker waits, this process does not fill up
  }
  // #endregion
}

async function iterators(client: Client, queue: string): Promise<void> {
  // #region iterators
  const consumer = client.basicConsume(queue, { prefetchCount: 10 })
  const work = async (): Promise<void> => {
    for await (const message of consumer) {
      await handle(message)
      message.ack()
    }
  }
  await Promise.all([work(), work()]) // each message goes to one of the two
  // #endregion
}

async function stream(client: Client): Promise<void> {
  await client.queueDelete('example.stream')
  // #region stream
  await client.queueDeclare('example.stream', { arguments: { 'x-queue-type': 'stream' } })
  for (const body of ['one', 'two', 'three']) await client.basicPublish('', 'example.stream', body)

  const consumer = client.basicConsume('example.stream', {
    prefetchCount: 100,
    arguments: { 'x-stream-offset': 1 }, // or 'first', 'last', 'next', a Date, an interval such as '1h'
  })
  for await (const message of consumer) {
    console.log(message.streamOffset, message.text())
    message.ack() // makes room for the next one; the message stays in the stream
    if (message.text() === 'three') break
  }
  // #endregion
  await client.queueDelete('example.stream')
}

async function deadLetters(client: Client): Promise<void> {
  // #region dead-letters
  await client.queueDeclare('example.dead')
  await client.queueDeclare('example.orders', {
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': 20,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'example.dead',
    },
  })
  // #endregion
  await client.queueDelete('example.orders')
  await client.queueDelete('example.dead')
}

async function pausing(client: Client, queue: string): Promise<void> {
  const consumer = client.basicConsume(queue, { prefetchCount: 10 })
  const working = consumer.forEach(handle)
  await consumer.ready
  // #region pause
  consumer.pause() // loops wait, handlers that run go on
  consumer.resume()
  // #endregion
  // #region health
  if (!client.isHealthy) console.error(client.state, consumer.state)
  client.on('consumerEnded', (consumer, error) => {
    if (error !== undefined) console.error(consumer.consumerTags, error)
  })
  // #endregion
  await working
}

async function ending(client: Client, queue: string): Promise<void> {
  drain = () => undefined
  // #region drain
  const consumer = client.basicConsume(queue, { prefetchCount: 10 })
  const working = consumer.forEach(handle, { concurrency: 10 })
  await consumer.ready

  await client.drain({ timeout: 10_000 }) // for example on SIGTERM
  await working // every handler has ended, every ack has left
  // #endregion
}

async function run(
  snippet: (client: Client, queue: string) => Promise<void>,
  bodies: readonly string[],
  calls = bodies.length,
): Promise<void> {
  const client = await connect(url)
  const { queue } = await client.queueDeclare('', { exclusive: true })
  for (const body of bodies) await client.basicPublish('', queue, body)
  due = calls
  drain = () => void client.drain()
  await snippet(client, queue)
  await client.drain()
  console.log(`${snippet.name}: ${due} due`)
}

await run(loop, ['good', 'bad', 'good'], 4)
await run(forEach, ['good', 'bad', 'good'])
await run(multi, ['an order'], 2)
await run(noAck, ['one', 'two'])
await run(iterators, ['one', 'two', 'three'])
await run(stream, [])
await run(deadLetters, [])
await run(pausing, ['one', 'two'])
await run(ending, [])
