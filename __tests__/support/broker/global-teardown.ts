/**
 * Owns the end of the broker that the setup started; one given by AMQP_URL is left alone. Knows nothing of which kind
 * of broker it was.
 */
import type { Broker } from '../../../scripts/broker/broker.js'

/** The same as in the setup. */
const BROKER = Symbol.for('puka-amqp.test-broker')

export default async function teardown(): Promise<void> {
  const broker: Broker | undefined = Reflect.get(globalThis, BROKER)
  await broker?.stop()
}
