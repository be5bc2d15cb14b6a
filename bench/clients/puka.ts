/** Owns the workloads on this package's own build. */
import type * as Puka from '../../src/index.js'
import {
  CONCURRENCY,
  type Context,
  type Driver,
  declareRounds,
  keepInFlight,
  PREFETCH,
  repeat,
  sink,
} from './driver.js'

async function open({ job }: Context): Promise<Puka.Client> {
  const { connect } = (await import(job.library)) as typeof Puka
  return connect(job.url)
}

export const driver: Driver = {
  async publish(context) {
    const { job, body } = context
    const client = await open(context)
    const options = { ...context.options, confirm: false }
    await repeat(context, () => client.basicPublish('', job.queue, body, options))
  },

  async confirm(context) {
    const { job, body, options } = context
    const client = await open(context)
    await keepInFlight(context, onConfirm => {
      void client.basicPublish('', job.queue, body, options).then(onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const { job, body, options } = context
    const client = await open(context)
    await repeat(context, () => client.basicPublish('', job.queue, body, options))
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
    const client = await open(context)
    await repeat(context, () => client.queueDeclare(context.job.queue, { passive: true }))
  },

  async declares(context) {
    const client = await open(context)
    await declareRounds(context, name => client.queueDeclare(name))
  },
}
