/**
 * Owns the workloads on @cloudamqp/amqp-client: its low-level channel with callbacks, which is its fastest, but where
 * handlers run several at once: there its session.
 */
import { type AMQPChannel, AMQPClient, type AMQPMessage, AMQPSession } from '@cloudamqp/amqp-client'
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

async function open({ job }: Context): Promise<AMQPChannel> {
  const frameMax = frameMaxFor(job.body)
  const client = new AMQPClient(frameMax === 0 ? job.url : `${job.url}?frameMax=${frameMax}`)
  return (await client.connect()).channel()
}

async function confirmChannel(context: Context): Promise<AMQPChannel> {
  const channel = await open(context)
  await channel.confirmSelect()
  return channel
}

const optionsOf = ({ headers }: Context) => ({
  deliveryMode: 2,
  ...(headers === undefined ? {} : { headers }),
})

function consume(
  channel: AMQPChannel,
  queue: string,
  noAck: boolean,
  onMessage: (message: AMQPMessage) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const deliver = (message: AMQPMessage): void => {
      if (onMessage(message)) resolve()
    }
    channel.basicConsume(queue, { noAck }, deliver).catch(reject)
  })
}

export const driver: Driver = {
  // A promise resolves when the message is handed to the socket: many are asked for at once.
  async publish(context) {
    const channel = await open(context)
    const options = optionsOf(context)
    await keepInFlight(context, onWritten => {
      void channel.basicPublish('', context.job.queue, context.body, options).then(onWritten)
    })
  },

  async confirm(context) {
    const channel = await confirmChannel(context)
    const options = optionsOf(context)
    await keepInFlight(context, onConfirm => {
      void channel.basicPublish('', context.job.queue, context.body, options).then(onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const channel = await confirmChannel(context)
    const options = optionsOf(context)
    do await channel.basicPublish('', context.job.queue, context.body, options)
    while (!context.meter.tick())
  },

  async consume(context) {
    await consume(await open(context), context.job.queue, true, ({ body }) => {
      sink.bytes += body?.length ?? 0
      return context.meter.tick()
    })
  },

  async 'consume-read'(context) {
    await consume(await open(context), context.job.queue, true, ({ properties, body }) => {
      if (properties.messageId !== undefined && properties.headers?.['x-attempt'] === 3) {
        sink.bytes += body?.length ?? 0
      }
      return context.meter.tick()
    })
  },

  async 'consume-ack'(context) {
    const channel = await open(context)
    await channel.basicQos(PREFETCH)
    await consume(channel, context.job.queue, false, message => {
      sink.bytes += message.body?.length ?? 0
      void message.ack()
      return context.meter.tick()
    })
  },

  // Its way to limit how many handlers run is the prefetch count; it acks when the handler returns.
  async 'for-each'({ job, meter }) {
    const session = await AMQPSession.connect(job.url)
    const queue = await session.queue(job.queue)
    await new Promise<void>((resolve, reject) => {
      const handler = async ({ body }: AMQPMessage): Promise<void> => {
        sink.bytes += body?.length ?? 0
        if (meter.tick()) resolve()
      }
      queue.subscribe({ prefetch: CONCURRENCY }, handler).catch(reject)
    })
  },

  async request(context) {
    const { job, meter } = context
    const channel = await open(context)
    do await channel.queueDeclare(job.queue, { passive: true })
    while (!meter.tick())
  },

  async declares(context) {
    const { meter } = context
    const channel = await open(context)
    for (let round = 0; ; round++) {
      const names = namesFor(context, round)
      await Promise.all(names.map(name => channel.queueDeclare(name)))
      if (meter.ticks(names.length)) return
    }
  },
}
