/**
 * Owns hosts in memory that lead to one model broker, what a test breaks of them, and what must hold of all connections at
 * any time. Knows nothing of the client under test.
 */
import { BrokerConnection } from './broker-connection.js'
import { BrokerFaults } from './broker-faults.js'
import { ModelBroker, type Refusal } from './model-broker.js'
import { PeerHosts } from './peer-hosts.js'

/** What a publish came to when it reached the broker. */
export interface Arrival {
  readonly queues: readonly string[] | Refusal
  /** Why parts of the topology were not there. */
  readonly absences: ReadonlyMap<string, string>
}

const CAPABILITIES = {
  publisher_confirms: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  authentication_failure_close: true,
}

export class ModelHosts {
  readonly broker = new ModelBroker()
  readonly faults = new BrokerFaults()
  readonly hosts = new PeerHosts()
  /** What came of each publish, by what its body begins with; the last arrival counts. */
  readonly arrivals = new Map<string, Arrival[]>()
  /** What no client may do. */
  readonly offences: string[] = []
  readonly #connections: BrokerConnection[] = []
  readonly #secrets = ['guest']
  /** The secrets before this one let nobody in any more. */
  #firstValid = 0

  /** There may be so many connections at once. */
  constructor(most: number) {
    this.hosts.peerOptions = { capabilities: CAPABILITIES }
    this.hosts.prepare = peer => {
      const live = this.live.length + 1
      if (live > most) this.offences.push(`${live} connections at once`)
      const connection = new BrokerConnection(peer, this.broker, this.faults, {
        onPublish: ({ body }, queues) => {
          const id = idOf(body)
          const arrival = { queues, absences: new Map(this.broker.absences) }
          this.arrivals.set(id, [...(this.arrivals.get(id) ?? []), arrival])
        },
        isValid: secret => this.#secrets.indexOf(secret) >= this.#firstValid,
        onSecret: secret => {
          this.#firstValid = Math.max(this.#firstValid, this.#secrets.indexOf(secret))
        },
        onOffence: text => this.offences.push(text),
      })
      this.#connections.push(connection)
    }
  }

  /** The connections that clients have not let go of. */
  get live(): BrokerConnection[] {
    return this.#connections.filter(({ peer }) => !peer.clientGone)
  }

  /** Makes a secret that lets a user in, beside those before until one that is newer than they is taken. */
  newSecret(): string {
    const secret = `secret ${this.#secrets.length}`
    this.#secrets.push(secret)
    return secret
  }

  block(isOn: boolean): void {
    this.faults.blocked = isOn ? 'low on memory' : undefined
    for (const connection of this.live) connection.block(this.faults.blocked)
  }

  breakAll(): void {
    for (const connection of this.live) connection.break()
  }

  /** Breaks the newest one. */
  breakOne(): void {
    this.live.at(-1)?.break()
  }

  /** No dead connection holds anything any more. */
  releaseDead(): void {
    for (const connection of this.#connections) if (connection.peer.clientGone) connection.release()
  }

  /** Nothing of it is left running. */
  stop(): void {
    this.breakAll()
    for (const connection of this.#connections) connection.release()
    this.broker.stop()
  }
}

/** The number that a message begins with. */
export function idOf(body: Uint8Array): string {
  return /^\d*/.exec(Buffer.from(body.subarray(0, 12)).toString())?.[0] ?? ''
}
