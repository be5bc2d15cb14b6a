/** Owns the workloads on this package's own build. */
import type * as Puka from '../../src/index.js'
import { CONCURRENCY, type Context, type Driver, keepInFlight, namesFor, PREFETCH, sink } from './driver.js'

async function open({ job }: Context): Promise<Puka.Client> {
  const { connect } = (await import(job.library)) as typeof Puka
  return connect(job.url)
}

const optionsOf = ({ headers }: Context): Puka.PublishOptions => (headers === undefined ? {} : { headers })

export const driver: Driver = {
  async publish(context) {
    const { job, meter, body } = context
    const client = await open(context)
    const options = { ...optionsOf(context), confirm: false }
    do await client.basicPublish('', job.queue, body, options)
    while (!meter.tick())
  },

  async confirm(context) {
    const { job, body } = context
    const client = await open(context)
    const options = optionsOf(context)
    await keepInFlight(context, onConfirm => {
      void client.basicPublish('', job.queue, body, options).then(onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const { job, meter, body } = context
    const client = await open(context)
    const options = optionsOf(context)
    do await client.basicPublish('', job.queue, body, options)
    while (!meter.tick())
  },

  async consume(context) {
    const { job, meter } = context
    const client = await open(context)
    for await (const message of client.basicConsume(job.queue, { noAck: true })) {
      sink.bytes += message.body.length
      if (meter.tick()) return
    }
  },

  async 'consume-read'(context) {
    const { job, meter } = context
    const client = await open(context)
    for await (const message of client.basicConsume(job.queue, { noAck: true })) {
      const { properties, headers } = message
      if (properties.messageId !== undefined && headers['x-attempt'] === 3) sink.bytes += message.body.length
      if (meter.tick()) return
    }
  },

  async 'consume-ack'(context) {
    const { job, meter } = context
    const client = await open(context)
    for await (const message of client.basicConsume(job.queue, { prefetchCount: PREFETCH })) {
      sink.bytes += message.body.length
      message.ack()
      if (meter.tick()) return
    }
  },

  async 'for-each'(context) {
    const { job, meter } = context
    const client = await open(context)
    const consumer = client.basicConsume(job.queue, { prefetchCount: PREFETCH })
    const handler = async (message: Puka.Message): Promise<void> => {
      sink.bytes += message.body.length
      if (meter.tick()) void consumer.cancel()
    }
    await consumer.forEach(handler, { concurrency: CONCURRENCY })
  },

  async request(context) {
    const { job, meter } = context
    const client = await open(context)
    do await client.queueDeclare(job.queue, { passive: true })
    while (!meter.tick())
  },

  async declares(context) {
    const { meter } = context
    const client = await open(context)
    for (let round = 0; ; round++) {
      const names = namesFor(context, round)
      await Promise.all(names.map(name => client.queueDeclare(name)))
      if (meter.ticks(names.length)) return
    }
  },
}
