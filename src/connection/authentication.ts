/**
 * Owns the choice of an authentication mechanism and its response (RabbitMQ, "Authentication, Authorisation, Access
 * Control"). Its errors never hold a password.
 */

import type { Mechanism } from '../client-options.js'
import { AuthenticationError } from '../errors.js'
import { cleanText } from '../util/clean-text.js'
import { writeTable } from '../wire/table-writer.js'
import { Writer } from '../wire/writer.js'
import type { ConnectionConfig } from './connection-config.js'

/** Chooses from what the server offers. Throws {@link AuthenticationError} if nothing fits. */
export function chooseMechanism(offered: readonly string[], config: ConnectionConfig): Mechanism {
  const wanted = config.mechanism === undefined ? preferred(config) : [config.mechanism]
  const chosen = wanted.find(mechanism => offered.includes(mechanism))
  if (chosen === undefined) {
    throw new AuthenticationError(
      `the server offers ${cleanText(offered.join(', ')) || 'no mechanism'}, of which none is ${wanted.join(' or ')}`,
    )
  }
  return chosen
}

/** With a certificate and no user of its own, a client means the certificate. */
function preferred({ address, credentials }: ConnectionConfig): Mechanism[] {
  const certified = address.tls?.cert !== undefined || address.tls?.pfx !== undefined
  return certified && !credentials.explicit ? ['EXTERNAL', 'PLAIN', 'AMQPLAIN'] : ['PLAIN', 'AMQPLAIN']
}

/** What connection.start-ok carries. */
export function authenticationResponse(mechanism: Mechanism, { credentials }: ConnectionConfig): Buffer {
  const { username, password } = credentials
  switch (mechanism) {
    case 'PLAIN':
      return Buffer.from(`\0${username}\0${password}`)
    case 'EXTERNAL':
      return Buffer.alloc(0)
    case 'AMQPLAIN': {
      const writer = new Writer(64 + 4 * (username.length + password.length))
      writeTable(writer, { LOGIN: username, PASSWORD: password }, 'credentials')
      // AMQPLAIN is a table without the length that stands before one.
      return Buffer.from(writer.unit().subarray(4))
    }
  }
}
