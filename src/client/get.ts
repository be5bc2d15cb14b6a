/** Owns basic.get of the facade: its options, its request, and the message that comes of the reply. */
import type { Reply } from '../connection/channel.js'
import { encodeRequest, type Request } from '../connection/request.js'
import type { GetOptions } from '../options.js'
import type { OperationTask } from '../recovery/operations.js'
import type { TopologyRecord } from '../recovery/topology-record.js'
import type { Settler } from '../session/settlement.js'
import { checkFlag } from '../util/check.js'
import { Message } from './message.js'

/** Throws {@link ArgumentError} if an argument is invalid. */
export function getTask(
  queue: string,
  { noAck = false }: GetOptions,
  frameMax: number,
  record: TopologyRecord,
): OperationTask<Message | null> {
  checkFlag('noAck', noAck)
  const request = getRequest(queue, frameMax)
  const take = ({ method, content }: Reply, settler: Settler): Message | null => {
    record.queueGot(queue)
    if (method.name !== 'basic.get-ok' || content === undefined) return null
    const { deliveryTag } = method.args
    // Acked here, not by the broker's own no-ack: a message that comes when nobody waits any more is not lost then.
    if (noAck) settler.autoAck(deliveryTag, true)
    return new Message(content, deliveryTag, settler, noAck, true)
  }
  return {
    about: { queue },
    repeatable: true,
    begin: (session, outcome) => {
      const name = record.nameOf(queue)
      session.get(outcome, name, name === queue ? request : getRequest(name, session.frameMax), take)
    },
  }
}

function getRequest(queue: string, frameMax: number): Request {
  return encodeRequest('basic.get', { queue, noAck: false }, frameMax)
}
