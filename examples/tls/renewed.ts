// Files that are read anew for each connection.
// It is shown in docs/tls.md, which says how to make the files that it reads.

// #region renewed
import { readFileSync } from 'node:fs'
import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqps://localhost', {
  mechanism: 'EXTERNAL',
  tls: {
    get ca() {
      return readFileSync('ca.pem')
    },
    get cert() {
      return readFileSync('client.pem')
    },
    get key() {
      return readFileSync('client.key')
    },
  },
})
// #endregion

const { queue } = await client.queueDeclare('orders.renewed', { exclusive: true })
await client.basicPublish('', queue, 'read anew', { userId: 'orders' })
const message = await client.basicGet(queue, { noAck: true })
console.log(message?.properties.userId, message?.text())
