// The snippets of docs/publishing.md.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = await mkdtemp(join(tmpdir(), 'puka-example-'))
const file = join(folder, 'orders.txt')
await writeFile(file, 'one\ntwo\nthree\n')
const signal = AbortSignal.timeout(60_000)

// #region defaults
import { connect } from 'puka-amqp'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost', {
  publishDefaults: { messageId: 'uuid', timestamp: true, appId: 'orders' },
})
// #endregion
const { queue } = await client.queueDeclare('', { exclusive: true })

// #region load
import { open } from 'node:fs/promises'

async function* orders(path: string) {
  await using input = await open(path)
  for await (const line of input.readLines()) yield { exchange: '', routingKey: queue, body: line }
}

const { published } = await client.publishMany(orders(file), { window: 500, signal })
console.log(`${published} orders`)
// #endregion

const message = await client.basicGet(queue)
const { messageId, timestamp, appId } = message?.properties ?? {}
console.log(messageId?.length, timestamp instanceof Date, appId)
message?.ack()

// #region on-error
const rows = [17, 18, 19].map(id => ({
  id,
  exchange: '',
  routingKey: id === 18 ? 'nowhere' : queue,
  body: 'row',
}))
const refused: number[] = []
const result = await client.publishMany(
  rows.map(row => ({ ...row, mandatory: true })),
  { onError: (_, row) => refused.push(row.id) },
)
console.log(result, refused) // { published: 2, failed: 1 } [ 18 ]
// #endregion

await client.queuePurge(queue)

// #region error
import { NotFoundError, PublishManyError } from 'puka-amqp'

try {
  await client.publishMany(
    ['', 'missing', ''].map(exchange => ({ exchange, routingKey: queue, body: 'row' })),
  )
} catch (error) {
  if (!(error instanceof PublishManyError)) throw error
  console.log(error.index, error.failedMessage.exchange, error.published) // 1 missing 2
  console.log(error.cause instanceof NotFoundError) // true
}
// #endregion

await client.drain()
await rm(folder, { recursive: true })
