/**
 * Owns the one broker that the integration tests share, started before the first of them. Knows nothing of the tests.
 * They find the broker through support/broker/broker.ts alone.
 */
import { tsImport } from 'tsx/esm/api'

/** Where the teardown, which has a module graph of its own, finds what the setup started. */
const BROKER = Symbol.for('puka-amqp.test-broker')

export default async function setup(): Promise<void> {
  // Jest loads this file outside of its module system, where nothing maps `.js` specifiers to `.ts` files.
  const { startBroker }: typeof import('../../../scripts/broker/broker.js') = await tsImport(
    '../../../scripts/broker/broker.ts',
    import.meta.url,
  )
  const broker = await startBroker({ log: line => console.error(`broker: ${line}`) })
  Reflect.set(globalThis, BROKER, broker)
  // The environment is what reaches Jest's workers.
  process.env.PUKA_TEST_BROKER = JSON.stringify(broker.state)
}
