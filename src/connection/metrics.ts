/** Owns the counts of what a client has done, over all its connections. Plain fields: counting costs next to nothing. */

export class Metrics {
  published = 0
  confirmed = 0
  nacked = 0
  returned = 0
  resent = 0
  lost = 0
  delivered = 0
  settled = 0
  staleSettlements = 0
  reconnects = 0
  bytesReceived = 0
  bytesSent = 0
}
