/**
 * Owns throw-away certificates for TLS tests: an authority, a server's and a client's, made with openssl. Knows nothing
 * of brokers. Every call makes a new authority, so that two of them do not trust each other.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../../scripts/broker/processes.js'

export interface KeyPair {
  /** Paths of PEM files. */
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  readonly folder: string
  /** Path of the authority's certificate, and the same as text for `tls.connect`. */
  readonly ca: string
  readonly caPem: string
  readonly server: KeyPair
  readonly client: KeyPair
  remove(): void
}

export interface CertificateOptions {
  /** The names the server's certificate is for. */
  readonly serverNames?: readonly string[]
  /** The client's common name: the user, with EXTERNAL. */
  readonly clientName?: string
}

const DAYS = ['-days', '2']
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

async function openssl(...args: string[]): Promise<void> {
  const result = await run('openssl', args)
  if (result.code !== 0) throw new Error(`openssl ${args.join(' ')}: ${result.stderr.trim()}`)
}

const alternativeName = (name: string): string => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`)

export async function makeCertificates(options: CertificateOptions = {}): Promise<Certificates> {
  const { serverNames = ['localhost', '127.0.0.1', '::1'], clientName = 'guest' } = options
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'puka-certificates-'))
  const file = (name: string): string => join(folder, name)
  const authority = { cert: file('ca.pem'), key: file('ca.key') }

  const sign = async (
    name: string,
    commonName: string,
    extensions: string[],
    serial: number,
  ): Promise<KeyPair> => {
    const pair = { cert: file(`${name}.pem`), key: file(`${name}.key`) }
    const request = file(`${name}.csr`)
    const extensionFile = file(`${name}.ext`)
    writeFileSync(extensionFile, `${extensions.join('\n')}\n`)
    await openssl(
      'req',
      '-new',
      ...NEW_KEY,
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      pair.key,
      '-out',
      request,
    )
    const authorityArgs = ['-CA', authority.cert, '-CAkey', authority.key, '-set_serial', String(serial)]
    const files = ['-in', request, '-out', pair.cert, '-extfile', extensionFile]
    await openssl('x509', '-req', ...DAYS, '-sha256', ...authorityArgs, ...files)
    return pair
  }

  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const self = ['-x509', ...DAYS, '-sha256', '-subj', '/CN=puka-amqp test authority']
    await openssl('req', ...self, ...NEW_KEY, '-keyout', authority.key, '-out', authority.cert)
    const names = serverNames.map(alternativeName).join(',')
    const serverExtensions = [`subjectAltName=${names}`, 'extendedKeyUsage=serverAuth']
    const [server, client] = await Promise.all([
      sign('server', serverNames[0] ?? 'localhost', serverExtensions, 2),
      sign('client', clientName, ['extendedKeyUsage=clientAuth'], 3),
    ])
    return { folder, ca: authority.cert, caPem: readFileSync(authority.cert, 'utf8'), server, client, remove }
  } catch (error) {
    remove()
    throw error
  }
}
