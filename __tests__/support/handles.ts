/** Owns what a test may see of what its process holds on to. Knows nothing of the client under test. */
import { tally } from './outcome.js'

/** What keeps a process alive and a client may leave behind. */
export function handles(): Record<string, number> {
  const kinds = ['Timeout', 'TCPSocketWrap', 'TCPConnectWrap', 'Immediate']
  return tally(process.getActiveResourcesInfo().filter(kind => kinds.includes(kind)))
}
