/**
 * How long a large topology takes to come back: `npm run bench:recovery [-- --sizes 250,500] [--kinds durable,exclusive]
 * [--rounds n]`. For each number of queues there are twice as many bindings, and a fifth as many consumers. It prints the
 * time from the cut of the connection until `recovered`, and until every consumer runs; the broker is a real one.
 */
import { parseArgs } from 'node:util'
import { startBroker } from '../scripts/broker/broker.js'
import { recoveriesOf } from './recovery/measure.js'
import { recoveryTable } from './recovery/table.js'
import { KINDS, type Kind, type Size } from './recovery/topology.js'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '250,500,1000,2000' },
    kinds: { type: 'string', default: KINDS.join(',') },
    rounds: { type: 'string', default: '5' },
  },
})

const sizes = values.sizes.split(',').map(Number)
const kinds = values.kinds.split(',')
const rounds = Number(values.rounds)
if (![...sizes, rounds].every(count => Number.isInteger(count) && count > 0)) {
  throw new Error('--sizes and --rounds take whole numbers above 0')
}
if (!kinds.every((kind): kind is Kind => (KINDS as readonly string[]).includes(kind))) {
  throw new Error(`--kinds takes ${KINDS.join(', ')}`)
}

const sizeOf = (queues: number): Size => ({
  queues,
  bindings: 2 * queues,
  consumers: Math.ceil(queues / 5),
})

const broker = await startBroker()
try {
  console.log(`RabbitMQ ${broker.version}, Node ${process.versions.node}, ${rounds} rounds`)
  for (const kind of kinds) {
    const rows = []
    for (const queues of sizes) {
      const size = sizeOf(queues)
      rows.push({ size, recoveries: await recoveriesOf(broker.url, kind, size, rounds) })
    }
    console.log(recoveryTable(`${kind} queues`, rows))
  }
} finally {
  await broker.stop()
}
