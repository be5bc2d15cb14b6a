/**
 * Owns the workloads on @cloudamqp/amqp-client: its low-level channel with callbacks, which is its fastest, but where
 * handlers run several at once: there its session.
 */
import { type AMQPChannel, AMQPClient, type AMQPMessage, AMQPSession } from '@cloudamqp/amqp-client'
import {
  CONCURRENCY,
  type Context,
  type Driver,
  declareRounds,
  keepInFlight,
  PREFETCH,
  receive,
  repeat,
  sink,
  urlFor,
} from './driver.js'

async function open({ job }: Context): Promise<AMQPChannel> {
  return (await new AMQPClient(urlFor(job)).connect()).channel()
}

async function openConfirm(context: Context): Promise<AMQPChannel> {
  const channel = await open(context)
  await channel.confirmSelect()
  return channel
}

const optionsOf = ({ options }: Context) => ({ deliveryMode: 2, ...options })

async function publishMany(channel: AMQPChannel, context: Context): Promise<void> {
  const { job, body } = context
  const options = optionsOf(context)
  await keepInFlight(context, onDone => {
    void channel.basicPublish('', job.queue, body, options).then(onDone)
  })
}

function consume(
  channel: AMQPChannel,
  context: Context,
  noAck: boolean,
  onMessage: (message: AMQPMessage) => void,
): Promise<void> {
  return receive(context, deliver => channel.basicConsume(context.job.queue, { noAck }, deliver), onMessage)
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
    const { job, body } = context
    const channel = await openConfirm(context)
    const options = optionsOf(context)
    await repeat(context, () => channel.basicPublish('', job.queue, body, options))
  },

  async consume(context) {
    await consume(await open(context), context, true, ({ body }) => {
      sink.bytes += body?.length ?? 0
    })
  },

  async 'consume-read'(context) {
    await consume(await open(context), context, true, ({ properties, body }) => {
      if (properties.messageId !== undefined && properties.headers?.['x-attempt'] === 3) {
        sink.bytes += body?.length ?? 0
      }
    })
  },

  async 'consume-ack'(context) {
    const channel = await open(context)
    await channel.basicQos(PREFETCH)
    await consume(channel, context, false, message => {
      sink.bytes += message.body?.length ?? 0
      void message.ack()
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
    const channel = await open(context)
    await repeat(context, () => channel.queueDeclare(context.job.queue, { passive: true }))
  },

  async declares(context) {
    const channel = await open(context)
    await declareRounds(context, name => channel.queueDeclare(name))
  },
}
