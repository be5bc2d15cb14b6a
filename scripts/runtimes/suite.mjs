/**
 * What has to work on every runtime, as plain JavaScript, on the packed package. It prints one line for each part: `ok` or
 * `failed`, its name, and the error. AMQP_URL says where the broker is. Knows nothing of which runtime it is on.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect as connectSocket, createServer } from 'node:net'
import * as puka from 'puka-amqp'

const { AmqpError, ArgumentError, connect, NotFoundError, NoRouteError } = puka
const url = process.env.AMQP_URL
const PATIENCE = 30_000

/** A proxy before the broker, whose connections can be cut. */
async function openProxy() {
  const { hostname, port } = new URL(url)
  const sockets = new Set()
  const server = createServer(near => {
    const far = connectSocket(Number(port || 5672), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(server.address().port)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { url: through.href, cut, close: () => server.close() }
}

async function take(loop, count) {
  const taken = []
  for await (const message of loop) {
    taken.push(message)
    if (taken.length === count) break
  }
  return taken
}

const rejection = promise =>
  promise.then(
    () => assert.fail('it did not reject'),
    error => error,
  )

const parts = {
  'imported and required are the same': () => {
    const required = createRequire(import.meta.url)('puka-amqp')
    assert.deepEqual({ ...required }, { ...puka })
    assert.equal(required.NotFoundError, NotFoundError)
  },
  'a message goes there and back': async client => {
    const { queue } = await client.queueDeclare('', { exclusive: true })
    await client.basicPublish('', queue, 'hello')
    const [message] = await take(client.basicConsume(queue, { prefetchCount: 1 }), 1)
    assert.equal(message.text(), 'hello')
    assert.equal(message.ack(), true)
  },
  'headers and properties keep their types': async client => {
    const { queue } = await client.queueDeclare('', { exclusive: true })
    const headers = {
      ...{ text: 'äöü', whole: 5, big: 2n ** 60n, part: 1.5, yes: true, nothing: null },
      ...{ bytes: Buffer.from([0, 255]), when: new Date(1_700_000_000_000), list: [1, 'two', { three: 3 }] },
    }
    await client.basicPublish('', queue, Buffer.from([1, 2, 3]), { headers, messageId: 'm', priority: 3 })
    const message = await client.basicGet(queue, { noAck: true })
    assert.deepEqual(message.headers, headers)
    assert.deepEqual([message.properties.messageId, message.properties.priority], ['m', 3])
    assert.deepEqual([...message.body], [1, 2, 3])
  },
  'a large body arrives as it was': async client => {
    const { queue } = await client.queueDeclare('', { exclusive: true })
    const body = Buffer.alloc(3_000_000, 'abcdefg')
    await client.basicPublish('', queue, body)
    const message = await client.basicGet(queue, { noAck: true })
    assert.ok(body.equals(message.body))
  },
  'errors belong to their operation, and lead to the line': async client => {
    const [missing, other] = await Promise.all([
      rejection(client.queueDeclare('no-such-queue', { passive: true })),
      client.queueDeclare('', { exclusive: true }),
    ])
    assert.ok(missing instanceof NotFoundError && missing instanceof AmqpError)
    assert.equal(missing.operation, 'queueDeclare')
    assert.match(missing.stack, /suite\.mjs/)
    assert.match(other.queue, /^amq\.gen/)
    assert.ok(
      (await rejection(client.basicPublish('', 'no-such', 'x', { mandatory: true }))) instanceof NoRouteError,
    )
    assert.throws(() => client.basicConsume('q', { prefetch: 5 }), ArgumentError)
  },
  'many messages are published and handled': async client => {
    const { queue } = await client.queueDeclare('', { exclusive: true })
    const messages = Array.from({ length: 5000 }, (_, id) => ({
      exchange: '',
      routingKey: queue,
      body: String(id),
    }))
    assert.deepEqual(await client.publishMany(messages), { published: 5000, failed: 0 })
    const seen = new Set()
    const consumer = client.basicConsume(queue)
    await consumer.forEach(
      message => {
        seen.add(message.text())
        if (seen.size === 5000) void consumer.cancel()
      },
      { concurrency: 10 },
    )
    assert.equal(seen.size, 5000)
  },
  'a lost connection is recovered, and nothing is lost': async () => {
    const proxy = await openProxy()
    const client = await connect(proxy.url, { recovery: { initialDelay: 20 } })
    const { queue } = await client.queueDeclare(`runtimes.${process.pid}`)
    const seen = new Set()
    const consumer = client.basicConsume(queue, { prefetchCount: 50 })
    await consumer.ready
    const handled = consumer.forEach(message => {
      seen.add(message.text())
      if (seen.size === 2000) void consumer.cancel()
    })
    const published = []
    for (let id = 0; id < 2000; id++) {
      published.push(client.basicPublish('', queue, String(id)))
      if (id % 500 === 250) {
        await Promise.all(published)
        const recovered = once(client, 'recovered')
        proxy.cut()
        await recovered
      }
    }
    await Promise.all(published)
    await handled
    assert.ok(client.metrics().reconnects >= 4)
    await client.queueDelete(queue)
    await client.drain()
    proxy.close()
  },
  'a stream is read from its beginning': async client => {
    const queue = `runtimes.stream.${process.pid}`
    await client.queueDeclare(queue, { arguments: { 'x-queue-type': 'stream' } })
    for (const body of ['one', 'two']) await client.basicPublish('', queue, body)
    const loop = client.basicConsume(queue, { prefetchCount: 10, arguments: { 'x-stream-offset': 'first' } })
    const read = await take(loop, 2)
    assert.deepEqual(
      read.map(message => message.text()),
      ['one', 'two'],
    )
    await client.queueDelete(queue)
  },
  'a signal and a timeout abandon what they should': async client => {
    const reason = new Error('enough')
    const abort = new AbortController()
    const abandoned = rejection(client.queueDeclare('', { exclusive: true, signal: abort.signal }))
    abort.abort(reason)
    assert.equal(await abandoned, reason)
    const waiting = take(
      client.basicConsume((await client.queueDeclare('', { exclusive: true })).queue, {
        signal: AbortSignal.timeout(50),
      }),
      1,
    )
    assert.equal((await rejection(waiting)).name, 'TimeoutError')
  },
  'drain completes what is in flight, and leaves nothing open': async () => {
    const client = await connect(url)
    const { queue } = await client.queueDeclare('', { exclusive: true })
    const published = Array.from({ length: 100 }, (_, id) => client.basicPublish('', queue, String(id)))
    await client.drain()
    await Promise.all(published)
    assert.equal(client.state.name, 'closed')
  },
}

let failures = 0
for (const [name, run] of Object.entries(parts)) {
  let timer
  try {
    const client = await connect(url)
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not over within ${PATIENCE} ms`)), PATIENCE)
    })
    await Promise.race([run(client), late])
    await client.close()
    console.log(`ok ${name}`)
  } catch (error) {
    failures++
    console.log(`failed ${name}: ${error?.stack ?? error}`)
  } finally {
    clearTimeout(timer)
  }
}
// What a part that failed has left open must not keep the process.
process.exit(failures === 0 ? 0 : 1)
