/** Owns the question whether a host is this machine itself, by what it is called: no name is looked up. */
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether what is sent to this host stays on this machine: `localhost`, 127.0.0.0/8 or `::1`. */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  // RFC 6761, section 6.3.
  if (family === 0) return /^(?:.+\.)?localhost\.?$/i.test(host)
  return loopback.check(host.replace(/%.*/, ''), family === 6 ? 'ipv6' : 'ipv4')
}
