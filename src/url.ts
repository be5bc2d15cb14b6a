/**
 * Owns the parsing of AMQP URLs (RabbitMQ, "URI Specification" and "URI Query Parameters"). Its errors never repeat
 * the URL, because it may contain a password.
 */

import type { Mechanism } from './client-options.js'
import { ArgumentError } from './errors.js'

/** The parts of a URL; a part that the URL does not have is absent. */
export interface ParsedUrl {
  secure: boolean
  host: string
  port: number
  username?: string
  password?: string
  vhost?: string
  mechanism?: Mechanism
  /** Seconds. */
  heartbeat?: number
  /** Milliseconds. */
  connectTimeout?: number
  frameMax?: number
  channelMax?: number
}

const PATTERN =
  /^(amqps?):\/\/(?:([^@/?#]*)@)?(\[[^\]/?#]*\]|[^:[\]/?#@]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i
const MECHANISMS: ReadonlyMap<string, Mechanism> = new Map([
  ['plain', 'PLAIN'],
  ['external', 'EXTERNAL'],
  ['amqplain', 'AMQPLAIN'],
])

/** Parses `amqp://user:password@host:port/vhost?query`; every part except the scheme is optional. */
export function parseUrl(url: string): ParsedUrl {
  if (typeof url !== 'string') throw new ArgumentError(`the URL must be a string, got ${typeof url}`)
  const match = PATTERN.exec(url)
  if (match === null) {
    throw new ArgumentError(
      'the URL must look like amqp://user:password@host:port/vhost or amqps://..., with special characters %-encoded',
    )
  }
  const [, scheme = '', userinfo, host = '', port, vhost, query] = match
  // If a password is not %-encoded, a part of it could be taken for a host, a port or a vhost, and appear in an error.
  if (vhost?.includes('@') || query?.includes('@')) {
    throw new ArgumentError(
      'the URL holds an @ behind the host: in user, password and vhost, special characters must be %-encoded',
    )
  }
  const secure = scheme.toLowerCase() === 'amqps'
  const parsed: ParsedUrl = {
    secure,
    host: decode(host.replace(/^\[|\]$/g, ''), 'host') || 'localhost',
    port: parsePort(port, secure),
  }
  if (userinfo !== undefined && userinfo !== '') {
    const colon = userinfo.indexOf(':')
    parsed.username = decode(colon < 0 ? userinfo : userinfo.slice(0, colon), 'user')
    if (colon >= 0) parsed.password = decode(userinfo.slice(colon + 1), 'password')
  }
  if (vhost !== undefined && vhost !== '') {
    if (vhost.includes('/')) throw new ArgumentError('the vhost in the URL holds a slash: write it as %2f')
    parsed.vhost = decode(vhost, 'vhost')
  }
  if (query !== undefined && query !== '') readQuery(query, parsed)
  return parsed
}

function parsePort(text: string | undefined, secure: boolean): number {
  if (text === undefined || text === '') return secure ? 5671 : 5672
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw new ArgumentError(`the port in the URL must be 1 to 65535, got ${JSON.stringify(text)}`)
  }
  return port
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ArgumentError(`the ${part} in the URL is not properly %-encoded`)
  }
}

function readQuery(query: string, into: ParsedUrl): void {
  for (const [name, value] of new URLSearchParams(query)) {
    switch (name) {
      case 'heartbeat':
        into.heartbeat = wholeNumber(name, value)
        break
      case 'connection_timeout':
      case 'connectTimeout':
        into.connectTimeout = wholeNumber(name, value)
        break
      case 'frame_max':
      case 'frameMax':
        into.frameMax = wholeNumber(name, value)
        break
      case 'channel_max':
      case 'channelMax':
        into.channelMax = wholeNumber(name, value)
        break
      case 'auth_mechanism':
      case 'mechanism': {
        const mechanism = MECHANISMS.get(value.toLowerCase())
        if (mechanism === undefined) {
          throw new ArgumentError(`the URL's ${name} must be plain, external or amqplain`)
        }
        into.mechanism = mechanism
        break
      }
      default:
        throw new ArgumentError(
          `the URL's parameter ${JSON.stringify(name)} is not known: use heartbeat, connection_timeout, frame_max, channel_max or auth_mechanism`,
        )
    }
  }
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new ArgumentError(`the URL's ${name} must be a whole number`)
  return Number(value)
}
