/** Covers one channel by itself, given frames: replies that whoever asked cannot accept. */
import { describe, expect, test } from '@jest/globals'
import type { ArgsOf, MethodName } from '../../../src/codec/methods.gen.js'
import { Channel, ChannelListener } from '../../../src/connection/channel.js'
import { ContentCopier } from '../../../src/connection/content-copy.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { encodeRequest } from '../../../src/connection/request.js'
import { CommandInvalidError } from '../../../src/errors.js'
import { ScriptedPeer } from '../../support/memory/scripted-peer.js'

const PURGE = encodeRequest('queue.purge', { queue: 'q', noWait: false }, 0)

/** An open channel, and what gives it a method. */
function opened() {
  const host = {
    outbox: new Outbox(0, new Metrics()),
    maxMessageSize: 1000,
    contentCopier: new ContentCopier(),
    onChannelClosed: () => undefined,
  }
  const channel = new Channel(1, host, new ChannelListener())
  const peer = new ScriptedPeer()
  const receive = <N extends MethodName>(name: N, args: ArgsOf<N>): void => {
    const frame = peer.method(1, name, args)
    channel.onFrame(1, frame, 7, frame.length - 1)
  }
  channel.ask(
    encodeRequest('channel.open', {}, 0),
    {},
    () => undefined,
    () => undefined,
  )
  receive('channel.open-ok', {})
  return { channel, receive }
}

describe('a reply that whoever asked cannot accept', () => {
  test('ends the connection, and the requests are told in order, that one first', () => {
    const { channel, receive } = opened()
    const told: string[] = []
    const ask = (name: string, accept: () => void): void =>
      channel.ask(PURGE, {}, accept, error => told.push(`${name}: ${error.message}`))
    const violation = new CommandInvalidError('that cannot be')
    ask('first', () => told.push('first: done'))
    ask('second', () => {
      throw violation
    })
    ask('third', () => told.push('third: done'))
    receive('queue.purge-ok', { messageCount: 0 })
    expect(() => receive('queue.purge-ok', { messageCount: 0 })).toThrow(violation)
    channel.onConnectionEnd(violation)
    const lost = 'the connection was lost: that cannot be'
    expect(told).toEqual(['first: done', `second: ${lost}`, `third: ${lost}`])
  })
})
