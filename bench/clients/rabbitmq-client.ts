/**
 * Owns the workloads on rabbitmq-client. Its raw channel is faster than its publishers and consumers, so that is what
 * is used, but where handlers run several at once: for that it has its Consumer.
 */
import { type AsyncMessage, type Channel, Connection } from 'rabbitmq-client'
import {
  CONCURRENCY,
  type Context,
  type Driver,
  declareRounds,
  frameMaxFor,
  keepInFlight,
  PREFETCH,
  receive,
  repeat,
  sink,
} from './driver.js'

function connect({ job }: Context): Connection {
  const frameMax = frameMaxFor(job.body)
  return new Connection({ url: job.url, ...(frameMax === 0 ? {} : { frameMax }) })
}

function open(context: Context): Promise<Channel> {
  return connect(context).acquire()
}

async function openConfirm(context: Context): Promise<Channel> {
  const channel = await open(context)
  await channel.confirmSelect()
  return channel
}

const envelopeOf = ({ job, options }: Context) => ({ routingKey: job.queue, durable: true, ...options })

async function publishMany(channel: Channel, context: Context): Promise<void> {
  const { body } = context
  const envelope = envelopeOf(context)
  await keepInFlight(context, onDone => {
    void channel.basicPublish(envelope, body).then(onDone)
  })
}

function consume(
  channel: Channel,
  context: Context,
  noAck: boolean,
  onMessage: (message: AsyncMessage) => void,
): Promise<void> {
  return receive(
    context,
    deliver => channel.basicConsume({ queue: context.job.queue, noAck }, deliver),
    onMessage,
  )
}

export const driver: Driver = {
  // A promise resolves when the message is handed to the socket: many are asked for at once.
  async publish(context) {
    await publishMany(await open(context), context)
  },

  async confirm(context) {
    await publishMany(await openConfirm(context), context)
  },

  async 'one-by-one'(context) {
    const { body } = context
    const channel = await openConfirm(context)
    const envelope = envelopeOf(context)
    await repeat(context, () => channel.basicPublish(envelope, body))
  },

  async consume(context) {
    await consume(await open(context), context, true, ({ body }) => {
      sink.bytes += body.length
    })
  },

  async 'consume-read'(context) {
    await consume(await open(context), context, true, ({ messageId, headers, body }) => {
      if (messageId !== undefined && headers?.['x-attempt'] === 3) sink.bytes += body.length
    })
  },

  async 'consume-ack'(context) {
    const channel = await open(context)
    await channel.basicQos({ prefetchCount: PREFETCH })
    await consume(channel, context, false, ({ deliveryTag, body }) => {
      sink.bytes += body.length
      channel.basicAck({ deliveryTag })
    })
  },

  async 'for-each'(context) {
    const { job, meter } = context
    const connection = connect(context)
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
    const channel = await open(context)
    await repeat(context, () => channel.queueDeclare({ queue: context.job.queue, passive: true }))
  },

  async declares(context) {
    const channel = await open(context)
    await declareRounds(context, queue => channel.queueDeclare({ queue, durable: true }))
  },
}
