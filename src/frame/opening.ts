/**
 * Owns the question whether a peer's first bytes are AMQP 0-9-1, and what they seem to be if they are not. Knows nothing
 * of what follows them.
 */
import { ProtocolError } from '../errors.js'
import { cleanText } from '../util/clean-text.js'
import { FRAME_METHOD } from './constants.js'

/** The header of a peer that speaks another version: `AMQP` and four octets. */
const NAME = 'AMQP'
const HEADER_SIZE = 8
/** So many bytes of another protocol are quoted. */
const MOST_QUOTED = 8

/** How peers begin that are found behind a wrong port. */
const OTHERS: readonly (readonly [beginning: string, what: string])[] = [
  ['HTTP/', 'HTTP: is it the port of a web server, such as the management of RabbitMQ?'],
  ['\x15\x03', 'a TLS alert: is it a port for amqps://?'],
  ['\x16\x03', 'TLS: is it a port for amqps://?'],
  ['SSH-', 'SSH'],
  ['ERROR', 'STOMP'],
  ['\0\0', 'HTTP/2'],
]

/**
 * The verdict on a peer's first bytes: an error if they are not AMQP 0-9-1, undefined if they may be. `areAll`: no more
 * of them come.
 */
export function judgeOpening(bytes: Buffer, areAll: boolean): ProtocolError | undefined {
  const [first] = bytes
  if (first === undefined || first === FRAME_METHOD) return undefined
  const text = bytes.toString('latin1', 0, MOST_QUOTED)
  const isName = text.slice(0, NAME.length) === NAME.slice(0, text.length)
  if (isName && bytes.length < HEADER_SIZE && !areAll) return undefined
  if (isName && bytes.length >= HEADER_SIZE) {
    return new ProtocolError(`the server speaks AMQP ${[...bytes.subarray(5, 8)].join('-')}, not 0-9-1`)
  }
  const other = OTHERS.find(([beginning]) => text.startsWith(beginning))
  const guess = other === undefined ? '' : ` (${other[1]})`
  const isText = first >= 0x20 && first < 0x7f
  const began = isText ? cleanText(JSON.stringify(text)) : `the byte ${first}`
  return new ProtocolError(`the server does not speak AMQP: it began with ${began}${guess}`)
}
