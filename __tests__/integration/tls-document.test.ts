/**
 * Covers docs/tls.md: its commands are run, a broker is given its configuration, and its code, the examples in
 * examples/tls, connects to that. Each error that it lists is brought about.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { connect as connectTls, createServer, type TlsOptions as ServerOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { nodeEnvironment, paths } from '../../scripts/broker/config.js'
import { freePort } from '../../scripts/broker/ports.js'
import { run } from '../../scripts/broker/processes.js'
import {
  type AmqpError,
  AuthenticationError,
  type ClientOptions,
  ConnectionBrokenError,
} from '../../src/index.js'
import { type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { newClient, open } from '../support/broker/client.js'
import { type ChildOutcome, PROJECT, runTypeScript } from '../support/child.js'
import { errorOf, eventually } from '../support/outcome.js'
import { blocks, document } from '../unit/docs/documents.js'

const MINUTE = 60_000
const TEXT = document('docs/tls.md')
const SECRETS = { CLIENT_PASSPHRASE: 'pass phrase', ORDERS_PASSWORD: 'a "good" $one' }
/** Where the configuration of the document has its files. */
const SERVER_FOLDER = '/etc/rabbitmq'

let folder: string
let tlsPort: number
let node: PrivateNode

const file = (name: string): string => join(folder, name)
const read = (name: string): Buffer => readFileSync(file(name))

/** Runs commands in the folder of the certificates; rabbitmqctl means the node. */
async function shell(commands: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const all = { ...env, ...SECRETS }
  const { code, stderr } = await run('bash', ['-euc', `cd '${folder}'\n${commands}`], { env: all })
  if (code !== 0) throw new Error(`${commands}: ${stderr}`)
}

function rabbitShell(commands: string): Promise<void> {
  const env = nodeEnvironment(node.record)
  const bin = dirname(node.record.installation.ctl)
  return shell(commands, { ...env, PATH: `${bin}${delimiter}${env.PATH}` })
}

/** The commands of the document that mention a word. */
function commandsWith(word: string): string[] {
  const found = blocks(TEXT, 'sh').filter(block => block.includes(word))
  expect(found).not.toEqual([])
  return found
}

const configuration = (certificateRequired = false): string[] =>
  blocks(TEXT, 'text')
    .join('')
    .replaceAll(SERVER_FOLDER, folder)
    .replace('listeners.ssl.default = 5671', `listeners.ssl.default = 127.0.0.1:${tlsPort}`)
    .replace(/(fail_if_no_peer_cert = ).*/, `$1${certificateRequired}`)
    .trimEnd()
    .split('\n')

beforeAll(async () => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'puka-tls-document-'))
  for (const commands of commandsWith('openssl')) await shell(commands)
  tlsPort = await freePort()
  node = await startPrivateNode({ config: configuration() })
  await node.ctl('await_startup')
  for (const commands of commandsWith('add_user')) await rabbitShell(commands)
}, 2 * MINUTE)

afterAll(async () => {
  await node.stop()
  rmSync(folder, { recursive: true })
}, MINUTE)

const url = (): string => `amqps://localhost:${tlsPort}`

function example(name: string): Promise<ChildOutcome> {
  const env = { ...SECRETS, AMQP_URL: url() }
  return runTypeScript(join(PROJECT, 'examples/tls', name), [], { cwd: folder, env })
}

const certificate = (): { ca: Buffer; cert: Buffer; key: Buffer } => ({
  ca: read('ca.pem'),
  cert: read('client.pem'),
  key: read('client.key'),
})

describe('the code of docs/tls.md', () => {
  const OUTPUT: Readonly<Record<string, string>> = {
    'external.ts': 'orders no password\n',
    'mutual.ts': 'orders both are verified\n',
    'pfx.ts': 'orders one file\n',
    'renewed.ts': 'orders read anew\n',
    'verified.ts': 'orders sent over TLS\n',
  }

  test('is that of the examples', () => {
    expect(readdirSync(join(PROJECT, 'examples/tls')).sort()).toEqual(Object.keys(OUTPUT))
  })

  test.each(Object.entries(OUTPUT))(
    '%s connects',
    async (name, stdout) => {
      expect(await example(name)).toEqual({ status: 0, stdout, stderr: '' })
    },
    MINUTE,
  )

  test(
    'needs no password where the certificate is the user, and has to have it elsewhere',
    async () => {
      for (const commands of commandsWith('clear_password')) await rabbitShell(commands)
      try {
        expect(await example('external.ts')).toMatchObject({ status: 0 })
        const { status, stderr } = await example('mutual.ts')
        expect(status).toBe(1)
        expect(stderr).toContain('AuthenticationError')
      } finally {
        await node.ctl('change_password', 'orders', SECRETS.ORDERS_PASSWORD)
      }
    },
    2 * MINUTE,
  )
})

describe('certificates that are renewed', () => {
  const renewed = (): ClientOptions['tls'] => ({
    get ca() {
      return read('ca.pem')
    },
    get cert() {
      return read('own.pem')
    },
    get key() {
      return read('own.key')
    },
  })
  /** Whose connections the broker has. */
  const users = async (): Promise<string[]> =>
    (await node.ctl('-q', '--no-table-headers', 'list_connections', 'user')).split('\n').filter(Boolean)

  test(
    'are read for the next connection; a file that is missing fails an attempt, not the client',
    async () => {
      copyFileSync(file('client.pem'), file('own.pem'))
      copyFileSync(file('client.key'), file('own.key'))
      const options: ClientOptions = {
        mechanism: 'EXTERNAL',
        tls: renewed() ?? {},
        recovery: { initialDelay: 10, maxDelay: 50 },
      }
      const client = await open(options, url())
      await eventually(async () => (await users()).includes('orders'))
      const failures: (AmqpError | Error | undefined)[] = []
      client.on('reconnecting', ({ error }) => failures.push(error))
      const recovered = new Promise(resolve => client.once('recovered', resolve))
      rmSync(file('own.key'))
      await node.ctl('close_all_connections', 'renewed')
      await eventually(() => failures.some(error => /ENOENT/.test(error?.message ?? '')))
      // The same commands with another user.
      const [commands = ''] = commandsWith('client.csr')
      const otherUser = commands.replace('/CN=orders', '/CN=guest').replaceAll('client.', 'own.')
      await shell(otherUser)
      await recovered
      await eventually(async () => (await users()).includes('guest'))
    },
    2 * MINUTE,
  )
})

test('a certificate of the broker that is renewed is what its next clients see', async () => {
  const shown = async (): Promise<string> => {
    const socket = connectTls({ host: 'localhost', port: tlsPort, ca: read('ca.pem') })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await shown()
  const [renew = ''] = commandsWith('server.csr')
  await shell(renew)
  for (const commands of commandsWith('clear_pem_cache')) await rabbitShell(commands)
  const { fingerprint256 } = new X509Certificate(read('server.pem'))
  expect(fingerprint256).not.toBe(before)
  expect(await shown()).toBe(fingerprint256)
})

describe('the errors of docs/tls.md', () => {
  /** The codes that the document lists. */
  const listed = [...TEXT.matchAll(/^\| `([A-Z\d_]+)` +\|/gm)].map(([, code]) => code)

  const causes: Readonly<Record<string, (() => Promise<AmqpError>) | undefined>> = {
    SELF_SIGNED_CERT_IN_CHAIN: () => failure({}),
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: () => failureAt({ cert: 'server.pem', key: 'server.key' }, {}),
    DEPTH_ZERO_SELF_SIGNED_CERT: () => failureAt({ cert: 'ca.pem', key: 'ca.key' }, {}),
    ERR_TLS_CERT_ALTNAME_INVALID: () =>
      failure({ tls: { ca: read('ca.pem'), servername: 'broker.example' } }),
    CERT_HAS_EXPIRED: async () => {
      const [commands = ''] = commandsWith('server.csr')
      await shell(commands.replace('-days 365', '-days -1').replaceAll('server.', 'expired.'))
      return failureAt({ cert: 'expired.pem', key: 'expired.key' }, { ca: read('ca.pem') })
    },
    ERR_SSL_WRONG_VERSION_NUMBER: () =>
      errorOf<AmqpError>(newClient({}, `amqps://localhost:${node.port}`).connect()),
    ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: () =>
      failureAt(
        { cert: 'server.pem', key: 'server.key', maxVersion: 'TLSv1.2' },
        { ca: read('ca.pem'), minVersion: 'TLSv1.3' },
      ),
    ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: () => failure({ tls: { ca: read('ca.pem') } }),
    ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: async () => {
      const [authority = ''] = commandsWith('ca.key')
      const [client = ''] = commandsWith('client.csr')
      await shell(authority.replaceAll('ca.', 'other-ca.'))
      await shell(client.replaceAll(/\bca\./g, 'other-ca.').replaceAll('client.', 'other.'))
      return failure({ tls: { ...certificate(), cert: read('other.pem'), key: read('other.key') } })
    },
    ERR_OSSL_X509_KEY_VALUES_MISMATCH: () => failure({ tls: { ...certificate(), key: read('server.key') } }),
    ERR_OSSL_BAD_DECRYPT: async () => {
      await shell('openssl pkey -in client.key -aes256 -out locked.key -passout env:CLIENT_PASSPHRASE')
      const locked = { ...certificate(), key: read('locked.key') }
      await open({ tls: { ...locked, passphrase: SECRETS.CLIENT_PASSPHRASE } }, url())
      return failure({ tls: { ...locked, passphrase: 'another one' } })
    },
  }

  const failure = (options: ClientOptions): Promise<AmqpError> =>
    errorOf<AmqpError>(newClient(options, url()).connect())

  /** At a server with another certificate, or other versions, than the broker. */
  async function failureAt(
    { cert, key, ...others }: { cert: string; key: string } & Pick<ServerOptions, 'maxVersion'>,
    tls: NonNullable<ClientOptions['tls']>,
  ): Promise<AmqpError> {
    const server = createServer({ cert: read(cert), key: read(key), ...others }, socket => socket.destroy())
    server.on('tlsClientError', () => undefined)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as AddressInfo
      return await errorOf<AmqpError>(newClient({ tls }, `amqps://localhost:${port}`).connect())
    } finally {
      await new Promise(resolve => server.close(resolve))
    }
  }

  beforeAll(async () => {
    await node.shutdown()
    const path = paths(node.record.folder).config
    writeFileSync(path, `${configuration(true).join('\n')}\n`)
    await node.restart()
    await node.ctl('await_startup')
  }, 2 * MINUTE)

  test('are all covered here', () => {
    expect([...listed].sort()).toEqual(Object.keys(causes).sort())
  })

  test.each(Object.keys(causes))('%s comes about as they say', async code => {
    const error = await causes[code]?.()
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error?.cause).toMatchObject({ code })
  })

  describe('about the user', () => {
    const messages = [...TEXT.matchAll(/^\| `([^`|]+\.\.\.[^`|]*)` +\|/gm)].map(([, text = '']) => text)
    const refused: [string, () => Promise<AmqpError>][] = [
      [
        'the server offers ..., of which none is EXTERNAL',
        () => errorOf<AmqpError>(newClient({ mechanism: 'EXTERNAL' }, node.url).connect()),
      ],
      [
        'ACCESS_REFUSED - ... mechanism EXTERNAL',
        async () => {
          await node.ctl('delete_user', 'orders')
          return failure({ mechanism: 'EXTERNAL', tls: certificate() })
        },
      ],
      [
        'ACCESS_REFUSED - ... mechanism PLAIN',
        () => failure({ username: 'orders', password: 'wrong', tls: certificate() }),
      ],
    ]

    test('are all covered here', () => {
      expect(messages).toEqual(refused.map(([message]) => message))
    })

    test.each(refused)('%s is an AuthenticationError', async (message, cause) => {
      const error = await cause()
      expect(error).toBeInstanceOf(AuthenticationError)
      for (const part of message.split('...')) expect(error.message).toContain(part.trim())
    })
  })
})
