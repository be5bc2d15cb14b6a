/**
 * Owns how a scripted peer treats the publishes that it got: which came on which channel, their delivery tags, their
 * confirms, and barriers that are answered only when a test says so.
 */
import type { Received, ScriptedPeer } from './scripted-peer.js'

type Publish = Received<'basic.publish'>

/** The bodies that came, in order. */
export function bodiesOf(peer: ScriptedPeer): string[] {
  return peer.all('basic.publish').map(({ body }) => body.toString())
}

/** What came and where, as `channel:body`, in order. */
export function placesOf(peer: ScriptedPeer): string[] {
  return peer.all('basic.publish').map(({ channel, body }) => `${channel}:${body}`)
}

/** Confirms a publish on the channel that it came by; with `multiple`, all before it, too. */
export function confirm(peer: ScriptedPeer, publish: Publish, multiple = false): void {
  peer.send(publish.channel, 'basic.ack', { deliveryTag: tagOf(peer, publish), multiple })
}

/** Confirms the last publish that came with each of these bodies. */
export function confirmBodies(peer: ScriptedPeer, ...bodies: string[]): void {
  for (const body of bodies) confirm(peer, publishOf(peer, body))
}

/** Confirms each publish that comes from now on, except those with these bodies. */
export function confirmAll(peer: ScriptedPeer, ...except: string[]): void {
  peer.on('basic.publish', publish => {
    if (!except.includes(publish.body.toString())) confirm(peer, publish)
  })
}

/** The last publish that came with a body. */
export function publishOf(peer: ScriptedPeer, wanted: string): Publish {
  const found = peer.all('basic.publish').findLast(({ body }) => body.toString() === wanted)
  if (found === undefined) throw new Error(`${wanted} did not come`)
  return found
}

/** From now on barriers are answered by {@link answerBarrier} only; what puts a channel into confirm mode is answered. */
export function holdBarriers(peer: ScriptedPeer): void {
  peer.on('confirm.select', ({ channel }) => {
    const came = sinceOpened(peer, channel).filter(({ method }) => method.name === 'confirm.select')
    if (came.length === 1) answerBarrier(peer, channel)
  })
}

/**
 * Closes the channel over each publish with one of these bodies, as a broker does: what came behind it, barriers too, is
 * dropped. Confirms nothing.
 */
export function refuse(peer: ScriptedPeer, close: (channel: number) => void, ...bodies: string[]): void {
  const refusedOn = (channel: number): Publish | undefined => sinceOpened(peer, channel).find(isRefused)
  const isRefused = (received: Received): received is Publish =>
    received.method.name === 'basic.publish' && bodies.includes(received.body.toString())
  peer.on('basic.publish', publish => {
    if (refusedOn(publish.channel) === publish) close(publish.channel)
  })
  peer.on('confirm.select', ({ channel }) => {
    if (refusedOn(channel) === undefined) answerBarrier(peer, channel)
  })
}

/** Answers the oldest barrier of a channel that is not answered. */
export function answerBarrier(peer: ScriptedPeer, channel: number): void {
  peer.send(channel, 'confirm.select-ok', {})
}

/** What closes a channel over an exchange that does not exist. */
export function exchangeMissing(peer: ScriptedPeer, channel: number, exchange: string): void {
  peer.closeChannel(channel, 404, `NOT_FOUND - no exchange '${exchange}' in vhost '/'`, 'basic.publish')
}

/** The numbers of the channels that are open, in order. */
export function openChannels(peer: ScriptedPeer): number[] {
  const open = new Set<number>()
  for (const { channel, method } of peer.received) {
    if (method.name === 'channel.open') open.add(channel)
    else if (method.name === 'channel.close' || method.name === 'channel.close-ok') open.delete(channel)
  }
  return [...open].sort((one, other) => one - other)
}

/** What a promise comes to; from now on its rejection is looked after. */
export function outcomeOf(publish: Promise<void>): Promise<unknown> {
  return publish.then(
    () => 'confirmed',
    (error: Error) => error.constructor,
  )
}

function tagOf(peer: ScriptedPeer, publish: Publish): number {
  const all = sinceOpened(peer, publish.channel, publish)
  return all.filter(({ method }) => method.name === 'basic.publish').length
}

/** What came on a channel since it was opened the last time, or the last time before `last` came, up to that. */
function sinceOpened(peer: ScriptedPeer, number: number, last?: Received): Received[] {
  let found: Received[] = []
  for (const received of peer.received) {
    if (received.channel !== number) continue
    if (received.method.name === 'channel.open') found = []
    found.push(received)
    if (received === last) break
  }
  return found
}
