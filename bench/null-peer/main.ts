/**
 * The null peer: a process that speaks AMQP at next to no cost, so that what a client costs shows. It tells its port
 * when it listens, and its totals when its parent says `stop`.
 */
import { type AddressInfo, createServer } from 'node:net'
import { NullConnection } from './connection.js'
import type { NullPeerOptions, NullPeerTotals } from './options.js'

const options = JSON.parse(process.argv[2] ?? '{}') as NullPeerOptions
const connections: NullConnection[] = []

function totals(): NullPeerTotals {
  const sum = (of: (connection: NullConnection) => number): number =>
    connections.reduce((total, connection) => total + of(connection), 0)
  return {
    published: sum(connection => connection.published),
    delivered: sum(connection => connection.delivered),
    acked: sum(connection => connection.acked),
  }
}

const server = createServer(socket => connections.push(new NullConnection(socket, options)))
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => process.send?.({ totals: totals() }, () => process.exit(0)))
process.on('disconnect', () => process.exit(0))
