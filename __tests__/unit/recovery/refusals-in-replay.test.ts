/** Covers parts of the topology over which the broker ends the connection: they are found, told, and left out. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Client } from '../../../src/index.js'
import { agree, closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'

afterEach(closeRecoveringClients)

const COUNT = 20

async function declareMany(client: Client): Promise<void> {
  const numbers = Array.from({ length: COUNT }, (_, index) => index)
  await Promise.all(numbers.map(number => client.exchangeDeclare(`e${number}`)))
  await Promise.all(numbers.map(number => client.queueDeclare(`q${number}`)))
  await Promise.all(numbers.map(number => client.queueBind(`q${number}`, `e${number}`)))
}

/** Ends the connection over an exchange of this name. */
function refuseExchange(peer: ScriptedPeer, name: string, code: number, names: boolean): void {
  peer.on('exchange.declare', ({ channel, method: { args } }) => {
    if (args.exchange !== name) peer.send(channel, 'exchange.declare-ok', {})
    else peer.closeConnection(code, 'no', names ? 'exchange.declare' : undefined)
  })
}

/** Ends the connection over a queue of this name. */
function refuseQueue(peer: ScriptedPeer, name: string, code: number, names: boolean): void {
  peer.on('queue.declare', ({ channel, method: { args } }) => {
    if (args.queue !== name)
      peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 })
    else peer.closeConnection(code, 'no', names ? 'queue.declare' : undefined)
  })
}

describe.each([
  { code: 503, names: true },
  { code: 530, names: true },
  { code: 541, names: true },
  { code: 541, names: false },
])(
  'a part of the topology over which the broker ends the connection ($code, method named: $names)',
  fault => {
    test.each(['exchange', 'queue'] as const)(
      'is found, told and left out, and the rest comes back: %s',
      async kind => {
        const { client, hosts, peer, told, heard } = await recoveringClient()
        await declareMany(client)
        const name = kind === 'exchange' ? 'e7' : 'q7'
        hosts.prepare = next => {
          agree(next)
          if (kind === 'exchange') refuseExchange(next, name, fault.code, fault.names)
          else refuseQueue(next, name, fault.code, fault.names)
        }
        const published = client.basicPublish('', 'q1', 'x')
        peer.hangUp()
        await heard('recovered')
        await published
        const about = told.filter(text => text.startsWith(`${kind} ${name}:`))
        expect(about).toHaveLength(1)
        expect(hosts.peers.length).toBeLessThanOrEqual(4)
        const last = hosts.peers.at(-1) as ScriptedPeer
        const declared = last.all(`${kind}.declare`).map(({ method: { args } }) => Object.values(args)[0])
        expect(declared).not.toContain(name)
        expect(new Set(declared).size).toBe(COUNT - 1)
        expect(client.state.name).toBe('open')
      },
    )

    test('is declared again when its user does so', async () => {
      const { client, hosts, peer, heard, told } = await recoveringClient()
      await declareMany(client)
      hosts.prepare = next => {
        agree(next)
        refuseExchange(next, 'e7', fault.code, fault.names)
      }
      peer.hangUp()
      await heard('recovered')
      const last = hosts.peers.at(-1) as ScriptedPeer
      agree(last)
      await client.exchangeDeclare('e7')
      hosts.prepare = agree
      told.length = 0
      last.hangUp()
      await heard('recovered')
      const declared = hosts.peers
        .at(-1)
        ?.all('exchange.declare')
        .map(({ method: { args } }) => args.exchange)
      expect(declared).toContain('e7')
    })
  },
)

test('an auto-delete exchange that ends connections does so no more, and what is bound to it stays one queue', async () => {
  const { client, hosts, peer, told, heard } = await recoveringClient()
  await client.exchangeDeclare('e', { autoDelete: true })
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.queueBind(queue, 'e')
  let names = 0
  hosts.prepare = next => {
    agree(next)
    refuseExchange(next, 'e', 503, true)
    next.on('queue.declare', ({ channel, method: { args } }) => {
      const name = args.queue === '' ? `given ${++names}` : args.queue
      next.send(channel, 'queue.declare-ok', { queue: name, messageCount: 0, consumerCount: 0 })
    })
    next.on('queue.bind', ({ channel }) => next.closeChannel(channel, 404, "no exchange 'e'", 'queue.bind'))
  }
  peer.hangUp()
  await heard('recovered')
  const last = hosts.peers.at(-1) as ScriptedPeer
  expect(last.all('exchange.declare')).toEqual([])
  expect(last.all('queue.declare').filter(({ method: { args } }) => args.queue === '')).toHaveLength(1)
  expect(told.filter(text => text.startsWith('exchange e:'))).toEqual(['exchange e: COMMAND_INVALID'])
  expect(hosts.peers).toHaveLength(3)
})

test('two of them are both found', async () => {
  const { client, hosts, peer, told, heard } = await recoveringClient()
  await declareMany(client)
  hosts.prepare = next => {
    agree(next)
    refuseExchange(next, 'e3', 503, true)
    refuseQueue(next, 'q9', 541, false)
  }
  peer.hangUp()
  await heard('recovered')
  expect(told.filter(text => /: (COMMAND_INVALID|INTERNAL_ERROR)/.test(text)).sort()).toEqual([
    'exchange e3: COMMAND_INVALID',
    'queue q9: INTERNAL_ERROR',
  ])
})

test('a limit on channels is no fault of a queue, and nothing opens more channels than there may be', async () => {
  const { client, hosts, peer, told, heard } = await recoveringClient({ publishConnection: 'shared' })
  await declareMany(client)
  const consumers = [0, 1, 2].map(number => client.basicConsume(`q${number}`))
  await Promise.all(consumers.map(consumer => consumer.ready))
  hosts.prepare = next => {
    agree(next)
    let open = 0
    next.on('channel.open', ({ channel }) => {
      if (++open > 5) next.closeConnection(530, 'the limit of the user is 5 channels', 'channel.open')
      else next.send(channel, 'channel.open-ok', {})
    })
    next.on('channel.close', ({ channel }) => {
      open--
      next.send(channel, 'channel.close-ok', {})
    })
  }
  peer.hangUp()
  await heard('recovered')
  await client.basicPublish('', 'q1', 'x')
  await client.queueDeclare('another')
  expect(told.filter(text => text.includes('NOT_ALLOWED'))).toEqual([])
  expect(consumers.map(({ state }) => state.name)).toEqual(['running', 'running', 'running'])
  expect(hosts.peers.length).toBeLessThanOrEqual(4)
})
