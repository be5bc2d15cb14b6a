// Mutual TLS: the client has a certificate, its user a password.
// It is shown in docs/tls.md, which says how to make the files that it reads.

// #region mutual
import { readFileSync } from 'node:fs'
import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqps://localhost', {
  username: 'orders',
  password: process.env.ORDERS_PASSWORD ?? '',
  tls: { ca: readFileSync('ca.pem'), cert: readFileSync('client.pem'), key: readFileSync('client.key') },
})
// #endregion

const { queue } = await client.queueDeclare('orders.mutual', { exclusive: true })
await client.basicPublish('', queue, 'both are verified', { userId: 'orders' })
const message = await client.basicGet(queue, { noAck: true })
console.log(message?.properties.userId, message?.text())
