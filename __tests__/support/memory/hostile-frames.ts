/**
 * Owns the frames that no broker would send, and the sending of them to a busy client. Knows nothing of what they bring
 * about.
 */
import { bytes } from '../wire/vectors.js'
import { type BusyChannels, BusyClient } from './busy-client.js'
import { type ScriptedPeer, turns } from './scripted-peer.js'

/** What a peer sends, all at once. */
export type Attack = (peer: ScriptedPeer, channels: BusyChannels) => Buffer[]

export const ONE = '0000000000000001'
export const HIGHEST = 'ffffffffffffffff'
export const TWO_TO_63 = '8000000000000000'

export const method = (peer: ScriptedPeer, channel: number, payload: string): Buffer =>
  peer.frame(1, channel, bytes(payload))

/** A content of this method, its body announced with a size, and empty. */
export const content = (
  peer: ScriptedPeer,
  channel: number,
  payload: string,
  size = '0000000000000000',
): Buffer =>
  Buffer.concat([method(peer, channel, payload), peer.frame(2, channel, bytes(`003c 0000 ${size} 0000`))])

export const delivery = (
  peer: ScriptedPeer,
  channel: number,
  deliveryTag: string,
  consumer = 'mine',
): Buffer => content(peer, channel, `003c 003c 04 "${consumer}" ${deliveryTag} 00 00 01 "q"`)

export const got = (deliveryTag: string): string => `003c 0047 ${deliveryTag} 00 00 01 "q" 00000000`
export const returned = '003c 0032 0138 04 "NONE" 01 "x" 01 "m"'
export const declared = '0032 000b 01 "d" 00000000 00000000'
export const closed = '0140 01 "x" 0000 0000'

/** The frame with a size that is not its own. */
export function lying(frame: Buffer, size: number): Buffer {
  frame.writeUInt32BE(size, 3)
  return frame
}

export function times(count: number, bytes: Buffer): Buffer[] {
  return Array.from({ length: count }, () => bytes)
}

/** Sends it where all is settled that was on its way; returns when it is dealt with. */
export async function attack(recovery: false | { initialDelay: number }, frames: Attack) {
  const busy = new BusyClient({ recovery })
  const peer = await busy.begin()
  await turns()
  peer.raw(Buffer.concat(frames(peer, busy.channels)))
  return { busy, peer }
}
