/**
 * Owns the workloads on rabbitmq-client. Its raw channel is faster than its publishers and consumers, so that is what
 * is used, but where handlers run several at once: for that it has its Consumer.
 */
import { type AsyncMessage, type Channel, Connection } from 'rabbitmq-client'
import {
  CONCURRENCY,
  type Context,
  type Driver,
  frameMaxFor,
  keepInFlight,
  namesFor,
  PREFETCH,
  sink,
} from './driver.js'

function open({ job }: Context): Connection {
  const frameMax = frameMaxFor(job.body)
  return new Connection({ url: job.url, ...(frameMax === 0 ? {} : { frameMax }) })
}

const envelopeOf = ({ job, headers }: Context) => ({
  routingKey: job.queue,
  durable: true,
  ...(headers === undefined ? {} : { headers }),
})

function consume(
  channel: Channel,
  queue: string,
  noAck: boolean,
  onMessage: (message: AsyncMessage) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const deliver = (message: AsyncMessage): void => {
      if (onMessage(message)) resolve()
    }
    channel.basicConsume({ queue, noAck }, deliver).catch(reject)
  })
}

async function confirmChannel(context: Context): Promise<Channel> {
  const channel = await open(context).acquire()
  await channel.confirmSelect()
  return channel
}

export const driver: Driver = {
  // A promise resolves when the message is handed to the socket: many are asked for at once.
  async publish(context) {
    const channel = await open(context).acquire()
    const envelope = envelopeOf(context)
    await keepInFlight(context, onWritten => {
      void channel.basicPublish(envelope, context.body).then(onWritten)
    })
  },

  async confirm(context) {
    const channel = await confirmChannel(context)
    const envelope = envelopeOf(context)
    await keepInFlight(context, onConfirm => {
      void channel.basicPublish(envelope, context.body).then(onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const channel = await confirmChannel(context)
    const envelope = envelopeOf(context)
    do await channel.basicPublish(envelope, context.body)
    while (!context.meter.tick())
  },

  async consume(context) {
    const channel = await open(context).acquire()
    await consume(channel, context.job.queue, true, message => {
      sink.bytes += message.body.length
      return context.meter.tick()
    })
  },

  async 'consume-read'(context) {
    const channel = await open(context).acquire()
    await consume(channel, context.job.queue, true, ({ messageId, headers, body }) => {
      if (messageId !== undefined && headers?.['x-attempt'] === 3) sink.bytes += body.length
      return context.meter.tick()
    })
  },

  async 'consume-ack'(context) {
    const channel = await open(context).acquire()
    await channel.basicQos({ prefetchCount: PREFETCH })
    await consume(channel, context.job.queue, false, ({ deliveryTag, body }) => {
      sink.bytes += body.length
      channel.basicAck({ deliveryTag })
      return context.meter.tick()
    })
  },

  async 'for-each'(context) {
    const { job, meter } = context
    const connection = open(context)
    const options = {
      queue: job.queue,
      queueOptions: { durable: true },
      concurrency: CONCURRENCY,
      qos: { prefetchCount: PREFETCH },
    }
    await new Promise<void>((resolve, reject) => {
      const consumer = connection.createConsumer(options, async message => {
        sink.bytes += message.body.length
        if (meter.tick()) resolve()
      })
      consumer.on('error', reject)
    })
  },

  async request(context) {
    const { job, meter } = context
    const channel = await open(context).acquire()
    do await channel.queueDeclare({ queue: job.queue, passive: true })
    while (!meter.tick())
  },

  async declares(context) {
    const { meter } = context
    const channel = await open(context).acquire()
    for (let round = 0; ; round++) {
      const names = namesFor(context, round)
      await Promise.all(names.map(queue => channel.queueDeclare({ queue, durable: true })))
      if (meter.ticks(names.length)) return
    }
  },
}
