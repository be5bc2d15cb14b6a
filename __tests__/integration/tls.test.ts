/** Covers TLS and what goes with it: verification, SNI, client certificates, and the mechanisms of authentication. */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  AuthenticationError,
  type ClientOptions,
  ConnectionBrokenError,
  type Mechanism,
} from '../../src/index.js'
import { type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { type Certificates, makeCertificates } from '../support/broker/certificates.js'
import { newClient, open } from '../support/broker/client.js'
import { errorOf } from '../support/outcome.js'

const MINUTE = 60_000
const USER = 'Zoë'
const PASSWORD = 'pass:wörd/@?#%'

let certificates: Certificates
let strangers: Certificates
let node: PrivateNode

beforeAll(async () => {
  certificates = await makeCertificates({ serverNames: ['localhost'], clientName: 'guest' })
  strangers = await makeCertificates({ clientName: 'guest' })
  node = await startPrivateNode({ tls: { ca: certificates.ca, ...certificates.server }, external: true })
  await node.ctl('add_user', USER, PASSWORD)
  await node.ctl('set_permissions', USER, '.*', '.*', '.*')
}, 2 * MINUTE)

afterAll(async () => {
  await node.stop()
  certificates.remove()
  strangers.remove()
}, MINUTE)

const tlsUrl = (host = 'localhost', credentials = ''): string =>
  `amqps://${credentials}${host}:${node.tlsPort}`
const clientCertificate = ({ client }: Certificates): { cert: Buffer; key: Buffer } => ({
  cert: readFileSync(client.cert),
  key: readFileSync(client.key),
})

/** Connects, and says as whom the broker knows it. */
async function userOf(options: ClientOptions, url: string): Promise<string> {
  const client = await open(options, url)
  const { queue } = await client.queueDeclare('', { exclusive: true })
  const users = ['guest', USER]
  for (const userId of users) {
    const taken = await client.basicPublish('', queue, 'x', { userId }).then(
      () => true,
      () => false,
    )
    if (taken) return userId
  }
  return 'somebody else'
}

describe('TLS', () => {
  test('with the right authority leads to the broker, whose name is verified', async () => {
    const client = await open({ tls: { ca: certificates.caPem } }, tlsUrl())
    const { queue } = await client.queueDeclare('', { exclusive: true })
    const body = Buffer.alloc(1_000_000, 'tls')
    await client.basicPublish('', queue, body)
    expect((await client.basicGet(queue, { noAck: true }))?.body.equals(body)).toBe(true)
  })

  test.each([
    ['without an authority', (): ClientOptions => ({}), 'localhost', 'SELF_SIGNED_CERT_IN_CHAIN'],
    [
      'with the wrong authority',
      (): ClientOptions => ({ tls: { ca: strangers.caPem } }),
      'localhost',
      'SELF_SIGNED_CERT_IN_CHAIN',
    ],
    [
      'by a name that the certificate is not for',
      (): ClientOptions => ({ tls: { ca: certificates.caPem } }),
      '127.0.0.1',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('%s is refused', async (_, options, host, code) => {
    const error = await errorOf<AmqpError>(newClient(options(), tlsUrl(host)).connect())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.cause).toMatchObject({ code })
  })

  test('goes unverified where the user says so', async () => {
    await open({ tls: { rejectUnauthorized: false } }, tlsUrl('127.0.0.1'))
  })

  test('takes a server name to be verified from the options', async () => {
    await open({ tls: { ca: certificates.caPem, servername: 'localhost' } }, tlsUrl('127.0.0.1'))
  })

  test('to a port that does not speak it ends with a clear error', async () => {
    const error = await errorOf<AmqpError>(
      newClient({ connectTimeout: 5000 }, `amqps://localhost:${node.port}`).connect(),
    )
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toBe(
      `connect: no connection to localhost:${node.port}: the server does not speak TLS (wrong version number): is it a port for amqp://?`,
    )
  })

  test('is not tried by itself: a port that speaks it ends a plain connection', async () => {
    const error = await errorOf<AmqpError>(newClient({}, `amqp://localhost:${node.tlsPort}`).connect())
    expect(['PROTOCOL', 'CONNECTION_BROKEN']).toContain(error.code)
    expect(error.message).toContain('is it a port for amqps://?')
  })

  describe('tells the server by SNI whom it wants', () => {
    let server: Server
    const names: (string | false | null)[] = []

    beforeAll(async () => {
      const { cert, key } = certificates.server
      server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket: TLSSocket) => {
        names.push(socket.servername)
        socket.destroy()
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    })

    afterAll(() => new Promise(resolve => server.close(resolve)))

    test.each([
      ['its host', 'localhost', {}, 'localhost'],
      ['the name in the options', 'localhost', { servername: 'other.example' }, 'other.example'],
      ['nothing where the host is an address', '127.0.0.1', {}, false],
    ])('%s', async (_, host, tls, expected) => {
      names.length = 0
      const { port } = server.address() as AddressInfo
      const client = newClient({ tls: { rejectUnauthorized: false, ...tls } }, `amqps://${host}:${port}`)
      expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionBrokenError)
      expect(names).toEqual([expected])
    })
  })
})

describe('authentication', () => {
  const credentials = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}@`

  test.each<[Mechanism | undefined]>([[undefined], ['PLAIN'], ['AMQPLAIN']])(
    'by mechanism %s takes user and password, beyond ASCII, too',
    async mechanism => {
      const options = mechanism === undefined ? {} : { mechanism }
      const url = `amqp://${credentials}127.0.0.1:${node.port}`
      expect(await userOf(options, url)).toBe(USER)
      const wrong = url.replace(':pass', ':past')
      const error = await errorOf<AmqpError>(newClient(options, wrong).connect())
      expect(error).toBeInstanceOf(AuthenticationError)
      expect(error.replyCode).toBe(403)
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('past')
    },
  )

  test('takes user and password from the options as they are', async () => {
    expect(await userOf({ username: USER, password: PASSWORD }, node.url)).toBe(USER)
  })

  test('takes the mechanism from the URL', async () => {
    expect(await userOf({}, `${node.url}?auth_mechanism=amqplain`)).toBe('guest')
    const error = await errorOf(newClient({}, `${node.url}?auth_mechanism=external`).connect())
    expect(error).toBeInstanceOf(AuthenticationError)
  })

  test('takes the certificate for the user where there is one, and no user', async () => {
    const tls = { ca: certificates.caPem, ...clientCertificate(certificates) }
    // A wrong password shows which mechanism was chosen.
    expect(await userOf({ tls, password: 'not the one' }, tlsUrl())).toBe('guest')
    expect(await userOf({ tls, mechanism: 'EXTERNAL' }, tlsUrl())).toBe('guest')
    expect(await userOf({ tls }, tlsUrl('localhost', credentials))).toBe(USER)
  })

  test('by EXTERNAL without a certificate fails', async () => {
    const tls = { ca: certificates.caPem }
    const error = await errorOf(newClient({ tls, mechanism: 'EXTERNAL' }, tlsUrl()).connect())
    expect(error).toBeInstanceOf(AuthenticationError)
  })

  test('with a certificate of an authority that the broker does not know fails', async () => {
    const tls = { ca: certificates.caPem, ...clientCertificate(strangers) }
    const error = await errorOf<AmqpError>(newClient({ tls }, tlsUrl()).connect())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
  })

  test('by a mechanism that does not exist is an ArgumentError', () => {
    const mechanism = 'GSSAPI' as Mechanism
    expect(() => newClient({ mechanism }, node.url)).toThrow("mechanism must be 'PLAIN'")
  })
})
