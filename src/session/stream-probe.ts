/**
 * Owns asking the broker whether a queue is a stream. AMQP has no method for that; but RabbitMQ accepts the consumer
 * argument `x-stream-offset` for a stream only. It is asked on a channel of its own, since a refusal closes it.
 */
import { ChannelListener } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import { encodeRequest } from '../connection/request.js'
import { ConnectionClosedError, PreconditionFailedError } from '../errors.js'
import { STREAM_OFFSET } from './queue-consumer.js'

/** Resolves with undefined if the broker does not say. Never rejects. */
export async function probeStream(connection: Connection, queue: string): Promise<boolean | undefined> {
  try {
    const channel = connection.openChannel(new ChannelListener())
    const { frameMax } = connection.outbox
    const options = { consumerTag: '', noLocal: false, noAck: false, exclusive: false, noWait: false }
    const args = { [STREAM_OFFSET]: 'next' }
    // A stream demands a prefetch count.
    const qos = encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount: 1, global: false }, frameMax)
    const consume = encodeRequest('basic.consume', { queue, ...options, arguments: args }, frameMax)
    await Promise.all([channel.request(qos), channel.request(consume)])
    channel.close(new ConnectionClosedError('the question is answered'))
    return true
  } catch (error) {
    return error instanceof PreconditionFailedError ? false : undefined
  }
}
