/** Covers what a get tells the record of topology: a queue that expires is in use by it. */
import { expect, test } from '@jest/globals'
import { getTask } from '../../../src/client/get.js'
import type { Reply } from '../../../src/connection/channel.js'
import { TopologyRecord } from '../../../src/recovery/topology-record.js'
import type { Session } from '../../../src/session/session.js'
import type { Settler } from '../../../src/session/settlement.js'
import { Ticket } from '../../../src/ticket.js'

/** A session whose queues are all empty. */
function emptySession(answers: boolean): Session {
  const empty = { method: { name: 'basic.get-empty', args: { clusterId: '' } }, content: undefined }
  const session: Pick<Session, 'get' | 'frameMax'> = {
    frameMax: 0,
    get: (outcome, _queue, _request, result) => {
      if (answers) outcome.resolve(result(empty as unknown as Reply, {} as Settler))
    },
  }
  return session as Session
}

test.each([
  [true, ['q']],
  [false, []],
])('a queue that expires has all its time again when the broker answers a get (%p)', (answers, left) => {
  let time = 0
  const record = new TopologyRecord(() => time)
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
  record.queueDeclared({ queue: 'q', ...flags, arguments: { 'x-expires': 1000 } }, 'q')
  time = 600
  const ticket = new Ticket<unknown>(1, 'basicGet', {})
  getTask('q', {}, 0, record).begin(emptySession(answers), ticket)
  time = 1200
  expect(record.queues.map(([name]) => name)).toEqual(left)
})
