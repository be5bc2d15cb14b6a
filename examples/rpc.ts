// Requests and replies: each request names the queue for its reply and carries an id that the reply repeats.
// Run it with: npm run build && npx tsx examples/rpc.ts

import { randomUUID } from 'node:crypto'
import { type Client, connect } from 'puka-amqp'

const REQUESTS = 'example.rpc'

/** Answers requests until its client drains. */
async function serve(client: Client): Promise<void> {
  await client.basicConsume(REQUESTS).forEach(
    async request => {
      const { replyTo, correlationId } = request.properties
      if (replyTo === undefined || correlationId === undefined) return
      const sum = request.json<number[]>().reduce((total, value) => total + value, 0)
      await client.basicPublish('', replyTo, JSON.stringify(sum), { correlationId })
    },
    { concurrency: 10 },
  )
}

class RpcClient {
  readonly #waiting = new Map<string, (reply: string) => void>()

  private constructor(
    readonly client: Client,
    readonly replyTo: string,
  ) {
    // Its end is the client's end, which whoever waits for a reply hears of by the timeout.
    this.#takeReplies().catch(() => undefined)
  }

  static async start(client: Client): Promise<RpcClient> {
    const { queue } = await client.queueDeclare('', { exclusive: true })
    return new RpcClient(client, queue)
  }

  /** Rejects with NoRouteError where nobody has declared the queue of requests. */
  async call(numbers: readonly number[], timeout = 10_000): Promise<number> {
    const correlationId = randomUUID()
    const { replyTo } = this
    const properties = { correlationId, replyTo, expiration: String(timeout), persistent: false }
    let timer: NodeJS.Timeout | undefined
    try {
      const reply = new Promise<string>((resolve, reject) => {
        this.#waiting.set(correlationId, resolve)
        timer = setTimeout(() => reject(new Error(`no reply within ${timeout} ms`)), timeout)
      })
      const options = { ...properties, mandatory: true }
      const sent = this.client.basicPublish('', REQUESTS, JSON.stringify(numbers), options)
      // The reply may well be here before the confirm.
      const [text] = await Promise.all([reply, sent])
      return JSON.parse(text)
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(correlationId)
    }
  }

  async #takeReplies(): Promise<void> {
    for await (const message of this.client.basicConsume(this.replyTo, { noAck: true })) {
      this.#waiting.get(message.properties.correlationId ?? '')?.(message.text())
    }
  }
}

await using server = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await server.queueDeclare(REQUESTS)
// Heard of at once: it ends when its queue is deleted, maybe before the deletion is confirmed.
const serving = serve(server).catch(error => console.log(`the server ends: ${error.code}`))

const rpc = await RpcClient.start(client)
const sums = await Promise.all([rpc.call([1, 2, 3]), rpc.call([]), rpc.call([20, 22])])
console.log(`the sums are ${sums.join(', ')}`)

await server.queueDelete(REQUESTS)
await serving
