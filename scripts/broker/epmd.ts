// Owns: ending an Erlang port mapper. A node starts one as a daemon when its port has none, and leaves it.
// Must not know: about nodes. Each node (or cluster) gets an epmd port of its own, so that ending ours can
// never take away the one which other Erlang systems of the machine use.

import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

// KILL_REQ of the EPMD protocol: a two-byte length, then 'k'. It saves looking for the epmd executable.
const KILL_REQUEST = Buffer.from([0, 1, 0x6b])

type Answer = 'ended' | 'refused' | 'absent'

function requestKill(port: number): Promise<Answer> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    let answer = ''
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('error', () => resolve('absent'))
    socket.once('connect', () => socket.write(KILL_REQUEST))
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
    })
    socket.once('close', () => resolve(answer.startsWith('OK') ? 'ended' : 'refused'))
  })
}

/** Ends the epmd on the port. It refuses while names are registered, so this is for after the nodes' end. */
export async function stopEpmd(port: number): Promise<void> {
  const deadline = Date.now() + 5_000
  while ((await requestKill(port)) !== 'absent') {
    if (Date.now() > deadline) return
    await delay(30)
  }
}
