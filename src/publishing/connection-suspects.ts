/**
 * Owns the publishes that may have made the broker end the connection: a single one of them is to blame, several have to
 * be tried on the next connection.
 */
import { BASIC_PUBLISH } from '../codec/methods.gen.js'
import type { AmqpError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { isRequestFault } from '../reply-codes.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishRisks } from './publish-risk.js'

/**
 * How often a publish may be among the suspects before it is given up where it is the only one. Once is not enough: where
 * publishing shares its connection, an operation may be to blame.
 */
const MAX_CONNECTION_FAULTS = 2

export class ConnectionSuspects {
  #suspects: PendingPublish[] = []
  #reason: AmqpError | undefined

  /** A connection ended with these in flight that the broker may not have dealt with. */
  add(publishes: readonly PendingPublish[], reason: AmqpError): void {
    if (!isRequestFault(reason) || !isOfPublish(reason)) return
    for (const publish of publishes) {
      publish.connectionFaults++
      this.#suspects.push(publish)
    }
    this.#reason = reason
  }

  /** All suspects of the connection are known. */
  judge(risks: PublishRisks): void {
    const suspects = this.#suspects
    const reason = this.#reason
    const [first] = suspects
    if (first === undefined || reason === undefined) return
    this.#suspects = []
    const isAlone = suspects.length === 1 && first.connectionFaults >= MAX_CONNECTION_FAULTS
    if (isAlone) first.reject(withContext(reason, first.context))
    else risks.suspect(suspects, true)
  }
}

/** An error that ends the connection may be about a publish: it names that method, or none. */
function isOfPublish({ classId = 0, methodId = 0 }: AmqpError): boolean {
  const method = (classId << 16) | methodId
  return method === 0 || method === BASIC_PUBLISH
}
