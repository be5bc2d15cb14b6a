// TLS: the broker is verified, the user has a password.
// It is shown in docs/tls.md, which says how to make the files that it reads.

// #region verified
import { readFileSync } from 'node:fs'
import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqps://localhost', {
  username: 'orders',
  password: process.env.ORDERS_PASSWORD ?? '',
  tls: { ca: readFileSync('ca.pem'), minVersion: 'TLSv1.3' },
})
// #endregion

const { queue } = await client.queueDeclare('orders.tls', { exclusive: true })
await client.basicPublish('', queue, 'sent over TLS', { userId: 'orders' })
const message = await client.basicGet(queue, { noAck: true })
console.log(message?.properties.userId, message?.text())
