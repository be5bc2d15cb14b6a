/** Owns the real RabbitMQ of a run: where it comes from, and a fresh queue, filled if need be, for each measurement. */
import { startBroker } from '../../scripts/broker/broker.js'
import { connect } from '../../src/index.js'
import { sampleBody, sampleProperties } from '../wire/sample.js'
import type { Job } from '../worker/job.js'
import { type Measurement, messagesNeeded } from './plan.js'

type Phases = Pick<Job, 'warmUp' | 'measure' | 'allocation'>

export interface RealBroker {
  readonly url: string
  readonly version: string
  /** Runs with a queue that is fresh, filled for a consumer, and deleted afterwards. */
  withQueue<T>(measurement: Measurement, phases: Phases, action: (queue: string) => Promise<T>): Promise<T>
  stop(): Promise<void>
}

/** In flight at a time while a queue is filled: the broker confirms what is on its disk, some ten times a second. */
const BATCH = 20_000
const BATCH_BYTES = 8_388_608

export async function startRealBroker(): Promise<RealBroker> {
  const broker = await startBroker()
  const url = withCredentials(broker.url)
  const client = await connect(url)
  let number = 0
  return {
    url,
    version: broker.version,
    async withQueue(measurement, phases, action) {
      const queue = `puka-bench.${process.pid}.${++number}`
      await client.queueDeclare(queue)
      try {
        if (/^consume|^for-each/.test(measurement.workload)) {
          await fill(queue, measurement, messagesNeeded(phases))
        }
        return await action(queue)
      } finally {
        await client.queueDelete(queue)
        if (measurement.workload === 'declares') await deleteDeclared(queue)
      }
    },
    async stop() {
      await client.close()
      await broker.stop()
    },
  }

  async function fill(queue: string, { body, extras }: Measurement, count: number): Promise<void> {
    const bytes = sampleBody(body)
    const { timestamp, ...properties } = sampleProperties(extras)
    const options = {
      ...properties,
      ...(timestamp === undefined ? {} : { timestamp: new Date(timestamp * 1000) }),
    }
    const batch = Math.ceil(Math.min(BATCH, BATCH_BYTES / Math.max(1, body)))
    for (let left = count; left > 0; left -= batch) {
      const publishes = Array.from({ length: Math.min(left, batch) }, () =>
        client.basicPublish('', queue, bytes, options),
      )
      await Promise.all(publishes)
    }
  }

  /** A worker declares as many rounds as it needed: deletes them until a round has nothing left. */
  async function deleteDeclared(queue: string): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const names = Array.from({ length: 1000 }, (_, index) => `${queue}.${round}.${index}`)
      await Promise.all(names.map(name => client.queueDelete(name)))
    }
  }
}

/** Not every client knows of guest/guest. */
function withCredentials(url: string): string {
  const parsed = new URL(url)
  parsed.username ||= 'guest'
  parsed.password ||= 'guest'
  return parsed.href
}
