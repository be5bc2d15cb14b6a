/** Owns the numbers of the frame format (AMQP 0-9-1, section 4.2.3 "General Frame Format"). */

export const FRAME_METHOD = 1
export const FRAME_HEADER = 2
export const FRAME_BODY = 3
export const FRAME_HEARTBEAT = 8
export const FRAME_END = 0xce
/** Type, channel and size stand before the payload. */
export const FRAME_HEADER_SIZE = 7
/** What a frame costs beside its payload: its header and the end octet. */
export const FRAME_OVERHEAD = 8
/** No peer may set frame_max lower (AMQP 0-9-1, constant frame-min-size). */
export const FRAME_MIN_SIZE = 4096

/** What a client says first: the protocol and its version, 0-9-1. */
export const PROTOCOL_HEADER: Buffer = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')
/** A whole heartbeat frame. */
export const HEARTBEAT: Buffer = Buffer.from([FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END])
