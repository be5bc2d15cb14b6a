/**
 * Owns the parsing of AMQP URLs (RabbitMQ, "URI Specification" and "URI Query Parameters"), and of hosts without a URL.
 * What could not be read is never repeated in an error: it may hold a password.
 */

import { isIPv6 } from 'node:net'
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

const FORM =
  'the URL must look like amqp://user:password@host:port/vhost or amqps://..., with special characters %-encoded'
const PATTERN =
  /^(amqps?):\/\/(?:([^@/?#]*)@)?(\[[^\]/?#]*\]|[^:[\]/?#@]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i
const BLANK_AT_AN_END = /^[\s\p{Cc}]|[\s\p{Cc}]$/u
/** What no name and no address of a host has. */
const NOT_IN_A_HOST = /[\s\p{Cc}\p{Cf}@/\\?#:[\]%]/u
const MECHANISMS: ReadonlyMap<string, Mechanism> = new Map([
  ['plain', 'PLAIN'],
  ['external', 'EXTERNAL'],
  ['amqplain', 'AMQPLAIN'],
])

/** Parses `amqp://user:password@host:port/vhost?query`; every part except the scheme is optional. */
export function parseUrl(url: string): ParsedUrl {
  if (typeof url !== 'string') throw new ArgumentError(`the URL must be a string, got ${typeof url}`)
  // A URL out of a file has a line end. To cut it off silently would hide that a password may have got one, too.
  if (BLANK_AT_AN_END.test(url)) {
    throw new ArgumentError(`${FORM}; there is a blank or a line end at its beginning or its end`)
  }
  const match = PATTERN.exec(url)
  if (match === null) throw new ArgumentError(FORM)
  const [, scheme = '', userinfo, host = '', port, vhost, query] = match
  // If a password is not %-encoded, a part of it could be taken for a host, a port or a vhost, and appear in an error.
  if ([port, vhost, query].some(part => part?.includes('@'))) {
    throw new ArgumentError(
      'the URL holds an @ behind the host: in user, password and vhost, special characters must be %-encoded',
    )
  }
  const secure = scheme.toLowerCase() === 'amqps'
  const parsed: ParsedUrl = { secure, host: readHost(host), port: readPort(port, secure) }
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

/** Parses `host`, `host:port`, `[address]:port` or a bare IPv6 address. `name` is what errors call it. */
export function parseHost(
  text: string,
  secure: boolean,
  name: string,
): { readonly host: string; readonly port: number } {
  if (text.includes('@')) {
    throw new ArgumentError(`${name} holds an @: user and password are those of the first URL`)
  }
  const bare = isIPv6(text)
  const match = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d+))?$/.exec(text)
  const host = bare ? text : match === null ? undefined : hostOf(match[1] as string)
  const port = bare ? defaultPort(secure) : portOf(match?.[2], secure)
  if (host === undefined || host === '' || port === undefined) {
    throw new ArgumentError(
      `${name} must be host, host:port, an IPv6 address or [address]:port, with a port of 1 to 65535, and nothing else`,
    )
  }
  return { host, port }
}

/** What messages call a host. */
export function hostLabel(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function readHost(text: string): string {
  if (text === '') return 'localhost'
  const host = hostOf(decode(text, 'host'))
  if (host === undefined) {
    throw new ArgumentError(
      text.startsWith('[')
        ? 'the URL must have an IPv6 address between [ and ]'
        : 'the host in the URL holds a character that no host has',
    )
  }
  return host
}

/** A host without the brackets of an IPv6 address; undefined if it can be none. */
function hostOf(text: string): string | undefined {
  if (!text.startsWith('[')) return NOT_IN_A_HOST.test(text) ? undefined : text
  // In a URL, the % in front of a zone is written as %25.
  const address = text.slice(1, -1).replace('%25', '%')
  return isIPv6(address) ? address : undefined
}

function readPort(text: string | undefined, secure: boolean): number {
  const port = portOf(text, secure)
  if (port === undefined) throw new ArgumentError('the port in the URL must be 1 to 65535')
  return port
}

function portOf(text: string | undefined, secure: boolean): number | undefined {
  if (text === undefined || text === '') return defaultPort(secure)
  const port = Number(text)
  return /^\d+$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined
}

function defaultPort(secure: boolean): number {
  return secure ? 5671 : 5672
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ArgumentError(`the ${part} in the URL is not properly %-encoded`)
  }
}

function readQuery(query: string, into: ParsedUrl): void {
  let count = 0
  for (const [name, value] of new URLSearchParams(query)) {
    count++
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
          `parameter ${count} in the URL's query is not known: use heartbeat, connection_timeout, frame_max, channel_max or auth_mechanism`,
        )
    }
  }
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new ArgumentError(`the URL's ${name} must be a whole number`)
  return Number(value)
}
