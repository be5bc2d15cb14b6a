/**
 * Covers the declarations of the package in the projects of its users: with old and new compilers, in the ways that modules
 * are resolved, without `skipLibCheck`, and in a project that takes in no types by itself. It needs the build in dist.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { UserProject } from '../../support/user-project.js'

const MINUTES = 180_000

let project: UserProject

beforeAll(async () => {
  project = await UserProject.create(['@types/node'])
  project.link('undici-types')
  project.write(FILES)
}, MINUTES)

afterAll(() => {
  project.remove()
})

const USE = `
export async function use(): Promise<number> {
  const client: Client = await connect('amqp://localhost', { heartbeat: 5, recovery: { maxAttempts: 3 } })
  const { queue, messageCount } = await client.queueDeclare('q', { arguments: { 'x-max-length': 5 } })
  const body: Uint8Array = new TextEncoder().encode('body')
  await client.basicPublish('', queue, body, { headers: { a: [1n, new Date()], b: short(5) }, type: 't' })
  for await (const message of client.basicConsume('q', { prefetchCount: 5 })) {
    const text: string = message.body.toString('utf8')
    const size: number = message.json<{ size: number }>().size + text.length
    if (size > 0) message.ack()
  }
  client.on('blocked', reason => reason.length)
  client.once('disconnect', error => error.code.length)
  client.on('topologyError', (entity, error) => [entity.kind, error.message])
  const event: 'connect' | 'recovered' = messageCount > 0 ? 'connect' : 'recovered'
  client.off(event, info => info.version.length)
  const emitter: EventEmitter = client
  await eventOf(emitter, 'close')
  const disposable: AsyncDisposable = client
  await disposable[Symbol.asyncDispose]()
  const got: Message | null = await client.basicGet(queue, { noAck: true, timeout: 5 })
  const error: unknown = got
  if (error instanceof NotFoundError) return error.message.length + (error.replyCode ?? 0)
  const options: PublishOptions = { mandatory: true }
  await client.publishMany([{ exchange: '', routingKey: queue, body: 'x', ...options, mine: 1 }], {
    onError: (_error, message, index) => console.error(message.mine + index),
  })
  return messageCount
}`
const TYPES = 'type Client, connect, type Message, NotFoundError, type PublishOptions, short'
const MODULE = `import { type EventEmitter, once as eventOf } from 'node:events'
import { ${TYPES} } from 'puka-amqp'\n${USE}`
const FILES: Readonly<Record<string, string>> = {
  'right.mts': MODULE,
  'right.cts': MODULE,
  'right.ts': MODULE,
  'require.cts': `import puka = require('puka-amqp')\nexport const client: Promise<puka.Client> = puka.connect()\n`,
  // The same class, however it was loaded: what one file makes, the other one takes.
  'both.mts': `import { Client } from 'puka-amqp'\nimport { client } from './require.cjs'\nexport const same: Promise<Client> = client\n`,
  'wrong.mts': [
    `import { connect } from 'puka-amqp'`,
    `const client = await connect()`,
    `await client.queueDeclare('q', { durabel: true })`,
    `await client.basicPublish('', 'q', 5)`,
    `await client.basicPublish('', 'q', { an: 'object' })`,
    `await client.basicPublish('', 'q')`,
    `client.basicConsume('q', { prefetch: 5 })`,
    `client.basicConsume('q', { prefetchCount: '5' })`,
    `await client.queueBind('q', 'e', 'k', { arguments: { f: () => 1 } })`,
    `client.on('blokced', () => undefined)`,
    `client.on('blocked', (reason: number) => reason)`,
    `await connect('amqp://localhost', { heartbeat: '5' })`,
    `await connect('amqp://localhost', { recovery: true })`,
    `const text: string = (await client.basicGet('q')).text()`,
    `for (const message of client.basicConsume('q')) message.ack()`,
    `client.metrics().published = 5`,
  ].join('\n'),
}

interface Settings {
  readonly module: string
  readonly moduleResolution: string
  readonly types?: readonly string[]
}

/** Runs a compiler of this project, by the name that it is installed under. Gives what it complains of, by file and line. */
async function compile(compiler: string, settings: Settings, files: readonly string[]): Promise<string[]> {
  const manifest = createRequire(import.meta.url).resolve(`${compiler}/package.json`)
  const name = `tsconfig.${compiler}.${settings.module}.${settings.moduleResolution}.${files.length}.json`
  const checks = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
  }
  const compilerOptions = {
    noEmit: true,
    target: 'es2022',
    lib: ['es2023'],
    types: [],
    ...checks,
    ...settings,
  }
  project.write({ [name]: JSON.stringify({ compilerOptions, files }) })
  const { stdout, stderr } = await project.node([join(dirname(manifest), 'bin/tsc'), '-p', name])
  const lines = (stdout + stderr).split('\n')
  return lines.filter(line => /\berror TS\d+/.test(line))
}

const COMPILERS = ['typescript-5.2', 'typescript-5.9', 'typescript', 'typescript-7']
const RIGHT = ['right.mts', 'right.cts', 'require.cts', 'both.mts']

describe.each(COMPILERS)('with %s', compiler => {
  test.each(['node16', 'nodenext'])(
    'an ES module and CommonJS see the types, resolved as %s',
    async module => {
      expect(await compile(compiler, { module, moduleResolution: module }, RIGHT)).toEqual([])
    },
    MINUTES,
  )

  test(
    'a module for a bundler sees the types',
    async () => {
      const settings = { module: 'esnext', moduleResolution: 'bundler' }
      expect(await compile(compiler, settings, ['right.ts'])).toEqual([])
    },
    MINUTES,
  )

  test(
    'each wrong use is an error, and nothing else is one',
    async () => {
      const errors = await compile(compiler, { module: 'nodenext', moduleResolution: 'nodenext' }, [
        'wrong.mts',
      ])
      const lines = errors.map(error => Number(/^wrong\.mts\((\d+),/.exec(error)?.[1]))
      const uses = FILES['wrong.mts']?.split('\n').length ?? 0
      expect([...new Set(lines)]).toEqual(Array.from({ length: uses - 2 }, (_, index) => index + 3))
    },
    MINUTES,
  )
})
