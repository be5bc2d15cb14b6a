// Owns: the rabbitmq.conf of a private node, and the plugins it asks for.
// Must not know: processes. It only makes text.

import { readFileSync } from 'node:fs'
import { BrokerError } from './errors.js'

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Ask every client for a certificate, and refuse those without one. */
  readonly verify?: boolean
}

export interface ConfigOptions {
  readonly tls?: TlsFiles
  readonly tlsPort?: number
  /** Offer SASL EXTERNAL: the user is the common name of the client's certificate. */
  readonly external?: boolean
  readonly config?: readonly string[]
  readonly plugins?: readonly string[]
}

function tlsLines(files: TlsFiles, port: number, external: boolean): string[] {
  const verify = files.verify === true
  return [
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${files.ca}`,
    `ssl_options.certfile = ${files.cert}`,
    `ssl_options.keyfile = ${files.key}`,
    // EXTERNAL needs the certificate to be asked for, though PLAIN clients may still come without.
    `ssl_options.verify = ${verify || external ? 'verify_peer' : 'verify_none'}`,
    `ssl_options.fail_if_no_peer_cert = ${verify}`,
  ]
}

/** Lines for every node from outside: a newer broker's refusals can be imitated without touching the tests. */
function linesFromEnvironment(env: NodeJS.ProcessEnv): string[] {
  const file = env.PUKA_RABBITMQ_CONFIG
  if (file === undefined || file === '') return []
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n')
  } catch {
    throw new BrokerError(`PUKA_RABBITMQ_CONFIG: ${file} cannot be read`)
  }
}

export function configText(options: ConfigOptions, env: NodeJS.ProcessEnv = process.env): string {
  const lines = [
    // A nearly full disk of the machine must not block the publishers of a test.
    'disk_free_limit.absolute = 50MB',
    'log.file.level = info',
  ]
  if (options.tls !== undefined && options.tlsPort !== undefined) {
    lines.push(...tlsLines(options.tls, options.tlsPort, options.external === true))
  }
  if (options.external === true) {
    lines.push(
      'auth_mechanisms.1 = PLAIN',
      'auth_mechanisms.2 = AMQPLAIN',
      'auth_mechanisms.3 = EXTERNAL',
      'ssl_cert_login_from = common_name',
    )
  }
  lines.push(...(options.config ?? []), ...linesFromEnvironment(env))
  return `${lines.join('\n')}\n`
}

/** The enabled_plugins file: an Erlang list. */
export function pluginsText(options: ConfigOptions): string {
  const plugins = new Set(options.plugins ?? [])
  if (options.external === true) plugins.add('rabbitmq_auth_mechanism_ssl')
  return `[${[...plugins].join(',')}].\n`
}
