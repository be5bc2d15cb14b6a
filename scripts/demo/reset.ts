/** Owns breaking a TCP connection by RST, at whatever stage it is. Knows nothing of whose connection it is, or why. */
import type { Socket } from 'node:net'

/**
 * Resets a connection. While one is being shut down, Node cannot reset it: `resetAndDestroy` fails with EINVAL, never
 * closes the socket, and the process spins at its end. What is being shut down is just dropped.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
