/**
 * Owns requests and replies that run while a test breaks things: a reply queue that is exclusive to its client, requests that
 * are repeated until they are answered, whoever answers them. Knows nothing of what is broken.
 */
import type { Client, Consumer } from '../../../src/index.js'
import { Gap } from './traffic.js'

/** Milliseconds until a request is taken for lost: a reply goes down with its queue. */
const PATIENCE = 2_000
const PAUSE = 10

/** Asks one request after the other, until it is stopped or its client closes. */
export class Requester {
  answered = 0
  /** How often a request was put once more, for want of a reply. */
  repeated = 0
  readonly gap = new Gap()
  /** Publishes that were refused: their requests were repeated. */
  readonly failures: unknown[] = []
  /** What ended the consumer of the replies before its time. */
  readonly troubles: unknown[] = []
  readonly #client: Client
  readonly #requests: string
  readonly #replies: Consumer
  readonly #taking: Promise<void>
  #running: Promise<void> = Promise.resolve()
  #replyTo: string
  #stopped = false
  #waiting: { readonly id: string; readonly answer: (answered: boolean) => void } | undefined

  private constructor(
    client: Client,
    requests: string,
    replyTo: string,
    /** Whether the broker names the queue of its replies: it gives it another name after each loss. */
    readonly serverNamed: boolean,
  ) {
    this.#client = client
    this.#requests = requests
    this.#replyTo = replyTo
    client.on('queueRenamed', (from, to) => {
      if (from === this.#replyTo) this.#replyTo = to
    })
    this.#replies = client.basicConsume(replyTo, { noAck: true })
    this.#taking = this.#take()
    // A test that fails closes its clients, and stops nobody.
    client.once('close', () => {
      this.#stopped = true
      this.#waiting?.answer(true)
    })
  }

  /** Without a name for the queue of its replies, the broker gives it one. */
  static async start(client: Client, requests: string, replies = ''): Promise<Requester> {
    const { queue } = await client.queueDeclare(replies, { exclusive: true })
    const requester = new Requester(client, requests, queue, replies === '')
    requester.#running = requester.#run()
    return requester
  }

  /** Asks no more; resolves when the last request is answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await this.#replies.cancel()
    await this.#taking
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      while (!(await this.#ask(String(number)))) this.repeated++
      if (this.#client.state.name === 'closed') return
      this.answered++
      this.gap.tick()
      await new Promise(resolve => setTimeout(resolve, PAUSE))
    }
  }

  async #ask(id: string): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const answered = new Promise<boolean>(resolve => {
      this.#waiting = { id, answer: resolve }
      timer = setTimeout(resolve, PATIENCE, false)
    })
    this.#client
      .basicPublish('', this.#requests, '', { correlationId: id, replyTo: this.#replyTo })
      .catch(error => this.failures.push(error))
    try {
      return await answered
    } finally {
      clearTimeout(timer)
    }
  }

  async #take(): Promise<void> {
    try {
      for await (const { properties } of this.#replies) {
        if (properties.correlationId === this.#waiting?.id) this.#waiting?.answer(true)
      }
    } catch (error) {
      this.troubles.push(error)
    }
  }
}

/** Answers requests until its consumer is cancelled. */
export class Responder {
  /** Replies that were refused. */
  readonly failures: unknown[] = []
  readonly #client: Client
  readonly #requests: Consumer
  readonly #running: Promise<void>
  /** What ended its consumer before its time. */
  readonly troubles: unknown[] = []

  constructor(client: Client, requests: string) {
    this.#client = client
    this.#requests = client.basicConsume(requests, { prefetchCount: 20 })
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    await this.#requests.cancel()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      for await (const request of this.#requests) {
        const { correlationId = '', replyTo = '' } = request.properties
        // Nobody waits for the confirm: it may be long in coming where the queue of the reply does not answer.
        this.#client
          .basicPublish('', replyTo, '', { correlationId, persistent: false })
          .catch(error => this.failures.push(error))
        request.ack()
      }
    } catch (error) {
      this.troubles.push(error)
    }
  }
}
