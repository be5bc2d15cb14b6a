/**
 * Owns how large connection.start-ok may be: it has to fit the frame that a server takes before both sides have agreed on
 * a size. It carries the credentials, and a token may be large. Knows nothing of what follows it.
 */
import type { ServerInfo } from '../client-state.js'
import { type ArgsOf, methods } from '../codec/methods.gen.js'
import { type AmqpError, ArgumentError } from '../errors.js'
import { FRAME_MIN_SIZE, FRAME_OVERHEAD } from '../frame/constants.js'
import { cleanText } from '../util/clean-text.js'
import { Writer } from '../wire/writer.js'

type StartOkArgs = ArgsOf<'connection.start-ok'>

/** What RabbitMQ takes from 4.1 on, unless its `initial_frame_max` says otherwise. Earlier ones take AMQP's least. */
const RABBITMQ_4_1 = 8192
const LIMITS = `AMQP has a server take ${FRAME_MIN_SIZE} bytes before the limits are agreed on; RabbitMQ takes ${RABBITMQ_4_1} from 4.1 on, or what its initial_frame_max says`

const CONNECT = { operation: 'connect' } as const

/** Throws {@link ArgumentError} if the server is known to take less, or if it is beyond `frameMax` (0: none). */
export function checkStartOk(args: StartOkArgs, info: ServerInfo, frameMax: number): void {
  const size = frameSize(args)
  if (size > FRAME_MIN_SIZE && takesTheLeastOnly(info)) {
    const server = cleanText(`${info.product} ${info.version}`)
    throw new ArgumentError(
      `connect: ${parts(args)}: connection.start-ok has ${size} bytes, and ${server} takes no more than ${FRAME_MIN_SIZE}; ${LIMITS}`,
      CONNECT,
    )
  }
  if (frameMax !== 0 && size > frameMax) {
    throw new ArgumentError(
      `connect: ${parts(args)}: connection.start-ok has ${size} bytes, and frameMax is ${frameMax}`,
      CONNECT,
    )
  }
}

/** What no answer to connection.start-ok most likely means; undefined if any server takes one of that size. */
export function unansweredStartOk(args: StartOkArgs, reason: AmqpError): ArgumentError | undefined {
  const size = frameSize(args)
  if (size <= FRAME_MIN_SIZE) return undefined
  return new ArgumentError(
    `connect: the server did not take connection.start-ok, most likely since it has ${size} bytes: ${parts(args)}; ${LIMITS}`,
    { ...CONNECT, cause: reason },
  )
}

function takesTheLeastOnly({ product, version }: ServerInfo): boolean {
  return product === 'RabbitMQ' && /^(?:[0-3]\.|4\.0(?!\d))/.test(version)
}

function parts({ response, clientProperties }: StartOkArgs): string {
  const empty = { response: Buffer.alloc(0), mechanism: 'PLAIN', locale: '' } as const
  const properties = frameSize({ ...empty, clientProperties }) - frameSize({ ...empty, clientProperties: {} })
  return `the credentials take ${response.length} bytes, and clientProperties ${properties}`
}

function frameSize(args: StartOkArgs): number {
  const writer = new Writer()
  methods['connection.start-ok'].encode(writer, args)
  return writer.unit().length + FRAME_OVERHEAD
}
