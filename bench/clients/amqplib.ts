/** Owns the workloads on amqplib, as its README and its channel API reference show them. */
import { once } from 'node:events'
import amqplib, { type Channel, type ChannelModel, type ConsumeMessage } from 'amqplib'
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

function open({ job }: Context): Promise<ChannelModel> {
  const frameMax = frameMaxFor(job.body)
  return amqplib.connect(frameMax === 0 ? job.url : `${job.url}?frameMax=${frameMax}`)
}

const optionsOf = ({ headers }: Context) => ({
  persistent: true,
  ...(headers === undefined ? {} : { headers }),
})

/** Consumes until the meter says that it is enough; `onMessage` says so. */
function consume(
  channel: Channel,
  queue: string,
  noAck: boolean,
  onMessage: (message: ConsumeMessage) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const deliver = (message: ConsumeMessage | null): void => {
      if (message !== null && onMessage(message)) resolve()
    }
    channel.consume(queue, deliver, { noAck }).catch(reject)
  })
}

export const driver: Driver = {
  async publish(context) {
    const { job, meter, body } = context
    const channel = await (await open(context)).createChannel()
    const options = optionsOf(context)
    do {
      // A channel that returns false asks for a pause.
      if (!channel.publish('', job.queue, body, options)) await once(channel, 'drain')
    } while (!meter.tick())
  },

  async confirm(context) {
    const { job, body } = context
    const channel = await (await open(context)).createConfirmChannel()
    const options = optionsOf(context)
    await keepInFlight(context, onConfirm => {
      channel.publish('', job.queue, body, options, onConfirm)
    })
  },

  async 'one-by-one'(context) {
    const { job, meter, body } = context
    const channel = await (await open(context)).createConfirmChannel()
    const options = optionsOf(context)
    do {
      await new Promise<void>((resolve, reject) => {
        channel.publish('', job.queue, body, options, error => (error === null ? resolve() : reject(error)))
      })
    } while (!meter.tick())
  },

  async consume(context) {
    const { job, meter } = context
    const channel = await (await open(context)).createChannel()
    await consume(channel, job.queue, true, message => {
      sink.bytes += message.content.length
      return meter.tick()
    })
  },

  async 'consume-read'(context) {
    const { job, meter } = context
    const channel = await (await open(context)).createChannel()
    await consume(channel, job.queue, true, ({ properties, content }) => {
      if (properties.messageId !== undefined && properties.headers?.['x-attempt'] === 3) {
        sink.bytes += content.length
      }
      return meter.tick()
    })
  },

  async 'consume-ack'(context) {
    const { job, meter } = context
    const channel = await (await open(context)).createChannel()
    await channel.prefetch(PREFETCH)
    await consume(channel, job.queue, false, message => {
      sink.bytes += message.content.length
      channel.ack(message)
      return meter.tick()
    })
  },

  // Its way to limit how many handlers run is the prefetch count.
  async 'for-each'(context) {
    const { job, meter } = context
    const channel = await (await open(context)).createChannel()
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
    const { job, meter } = context
    const channel = await (await open(context)).createChannel()
    do await channel.checkQueue(job.queue)
    while (!meter.tick())
  },

  async declares(context) {
    const { meter } = context
    const channel = await (await open(context)).createChannel()
    for (let round = 0; ; round++) {
      const names = namesFor(context, round)
      await Promise.all(names.map(name => channel.assertQueue(name)))
      if (meter.ticks(names.length)) return
    }
  },
}
