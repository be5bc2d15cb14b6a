/** Owns how frames look in debug lines. */
import { methodName } from '../codec/methods.gen.js'
import { FRAME_HEARTBEAT, FRAME_METHOD } from '../frame/constants.js'

export function describeFrame(type: number, buffer: Buffer, start: number, end: number): string {
  if (type === FRAME_METHOD && end - start >= 4) return methodName(buffer.readUInt32BE(start))
  return type === FRAME_HEARTBEAT ? 'heartbeat' : `content, ${end - start} bytes`
}
