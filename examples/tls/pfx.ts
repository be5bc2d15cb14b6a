// EXTERNAL with one file for the certificate and its key, under a passphrase.
// It is shown in docs/tls.md, which says how to make the files that it reads.

// #region pfx
import { readFileSync } from 'node:fs'
import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqps://localhost', {
  mechanism: 'EXTERNAL',
  tls: {
    ca: readFileSync('ca.pem'),
    pfx: readFileSync('client.p12'),
    passphrase: process.env.CLIENT_PASSPHRASE ?? '',
  },
})
// #endregion

const { queue } = await client.queueDeclare('orders.pfx', { exclusive: true })
await client.basicPublish('', queue, 'one file', { userId: 'orders' })
const message = await client.basicGet(queue, { noAck: true })
console.log(message?.properties.userId, message?.text())
