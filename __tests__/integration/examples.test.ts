/**
 * Covers every file in examples/, run as a user would run it, on the built package. The snippets of README.md and docs/
 * are parts of these files (unit/docs/snippets.test.ts), so this is the test of the documents as well. Those that need a
 * broker with TLS are in tls-document.test.ts.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { brokerUrl } from '../support/broker/broker.js'
import { PROJECT, runTypeScript } from '../support/child.js'

const MINUTE = 60_000
const FOLDER = join(PROJECT, 'examples')

/** What each example prints. */
const OUTPUT: Readonly<Record<string, readonly unknown[]>> = {
  'consuming.ts': [
    'loop: 0 due',
    'forEach: 0 due',
    'multi: 0 due',
    'noAck: 0 due',
    'iterators: 0 due',
    '1 two',
    '2 three',
    'stream: 0 due',
    'deadLetters: 0 due',
    'pausing: 0 due',
    'ending: 0 due',
  ],
  'errors.ts': ['PRECONDITION_FAILED 406 queueDeclare'],
  'from-amqplib.ts': ['the ids make 15'],
  'from-puka/callbacks.ts': ['hello', 'got one', 'got two'],
  'from-puka/connect.ts': ['RabbitMQ true', 'CONNECTION_CLOSED'],
  'from-puka/consume.ts': ['one true', 'two true', 'five four three'],
  'from-puka/declare.ts': ['example.mails 0 0', '1 purged'],
  'from-puka/errors.ts': ['33 true', 'NOT_FOUND 404 queueBind'],
  'from-puka/loop.ts': ['one', 'two', 'stop', 'over'],
  'from-puka/publish-and-get.ts': ['nobody wants hello? at no-such-queue', 'hello { attempt: 1 } 0', 'null'],
  'from-puka/transport.ts': ['1000000'],
  'from-puka/wait.ts': ['0', 'true', '3', 'fulfilled rejected', 'true TimeoutError', 'no longer wanted'],
  'observability/channels.ts': ['amq.topic:prices.eur confirmed'],
  'observability/opentelemetry.ts': [
    'in a handler true',
    'in a loop true',
    '[',
    ...['publish example.traced', 'publish example.traced', 'process example.traced'].map(
      name => `  '${name}',`,
    ),
    "  'consume example.traced'",
    ']',
  ],
  'observability/logger.ts': [expect.stringMatching(/^puka-amqp: connected to /), 'puka-amqp: closed'],
  'observability/prometheus.ts': ['puka_amqp_open{client="orders"} 1'],
  'publishing.ts': [
    '3 orders',
    '36 true orders',
    '{ published: 2, failed: 1 } [ 18 ]',
    '1 missing 2',
    'true',
  ],
  'quick-start.mjs': ['hello'],
  'rpc.ts': ['the sums are 6, 0, 42', 'the server ends: CONSUMER_CANCELLED'],
  'topic.ts': ['*.error: kernel.error, mail.error', 'kernel.#: kernel.info, kernel.error, kernel.disk.full'],
  'work-queue.ts': ['20 tasks done, 1 failure'],
  'worker.ts': ['a task is done', 'another task is done', 'the last task is done'],
}

test('no example is left out', () => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  expect(files.filter(file => /\.(ts|mjs)$/.test(file) && !file.startsWith('tls')).sort()).toEqual(
    Object.keys(OUTPUT).sort(),
  )
})

test.each(Object.entries(OUTPUT))(
  '%s does what it says, and ends by itself',
  async (file, lines) => {
    const { status, stdout, stderr } = await runTypeScript(join(FOLDER, file), [], {
      env: { AMQP_URL: brokerUrl() },
    })
    expect({ status, lines: stdout.trimEnd().split('\n'), stderr }).toEqual({
      status: 0,
      lines,
      stderr: file === 'consuming.ts' ? expect.stringMatching(/^[^\n]*: Error: a bad message\n$/) : '',
    })
  },
  MINUTE,
)
