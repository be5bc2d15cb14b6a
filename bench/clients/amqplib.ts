/** Owns the workloads on amqplib, as its README and its channel API reference show them. */
import { once } from 'node:events'
import amqplib, { type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from 'amqplib'
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

function connect({ job }: Context): Promise<ChannelModel> {
  return amqplib.connect(urlFor(job))
}

async function open(context: Context): Promise<Channel> {
  return (await connect(context)).createChannel()
}

async function openConfirm(context: Context): Promise<ConfirmChannel> {
  return (await connect(context)).createConfirmChannel()
}

const optionsOf = ({ options }: Context) => ({ persistent: true, ...options })

function consume(
  channel: Channel,
  context: Context,
  noAck: boolean,
  onMessage: (message: ConsumeMessage) => void,
): Promise<void> {
  return receive(context, deliver => channel.consume(context.job.queue, deliver, { noAck }), onMessage)
}

export const driver: Driver = {
  async publish(context) {
    const { job, meter, body } = context
    const channel = await open(context)
    const options = optionsOf(context)
    do {
      // A channel that returns false asks for a pause.
      if (!channel.publish('', job.queue, body, options)) await once(channel, 'drain')
    } while (!meter.tick())
  },

  async confirm(context) {
    const { job, body } = context
    const channel = await openConfirm(context)
    const options = optionsOf(context)
    await keepInFlight(context, onConfirm => {
      channel.publish('', job.queue, body, options, onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const { job, body } = context
    const channel = await openConfirm(context)
    const options = optionsOf(context)
    const publish = (): Promise<void> =>
      new Promise((resolve, reject) => {
        channel.publish('', job.queue, body, options, error => (error === null ? resolve() : reject(error)))
      })
    await repeat(context, publish)
  },

  async consume(context) {
    await consume(await open(context), context, true, ({ content }) => {
      sink.bytes += content.length
    })
  },

  async 'consume-read'(context) {
    await consume(await open(context), context, true, ({ properties, content }) => {
      if (properties.messageId !== undefined && properties.headers?.['x-attempt'] === 3) {
        sink.bytes += content.length
      }
    })
  },

  async 'consume-ack'(context) {
    const channel = await open(context)
    await channel.prefetch(PREFETCH)
    await consume(channel, context, false, message => {
      sink.bytes += message.content.length
      channel.ack(message)
    })
  },

  // Its way to limit how many handlers run is the prefetch count.
  async 'for-each'(context) {
    const { job, meter } = context
    const channel = await open(context)
    await channel.prefetch(CONCURRENCY)
    const handler = async (message: ConsumeMessage): Promise<void> => {
      sink.bytes += message.content.length
    }
    await new Promise<void>((resolve, reject) => {
      const deliver = async (message: ConsumeMessage | null): Promise<void> => {
        if (message === null) return
        await handler(message)
        channel.ack(message)
        if (meter.tick()) resolve()
      }
      channel.consume(job.queue, message => void deliver(message)).catch(reject)
    })
  },

  async request(context) {
    const channel = await open(context)
    await repeat(context, () => channel.checkQueue(context.job.queue))
  },

  async declares(context) {
    const channel = await open(context)
    await declareRounds(context, name => channel.assertQueue(name))
  },
}
