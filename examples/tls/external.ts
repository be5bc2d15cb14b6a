// EXTERNAL: the user is that of the certificate, and there is no password.
// It is shown in docs/tls.md, which says how to make the files that it reads.

// #region external
import { readFileSync } from 'node:fs'
import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqps://localhost', {
  mechanism: 'EXTERNAL',
  tls: { ca: readFileSync('ca.pem'), cert: readFileSync('client.pem'), key: readFileSync('client.key') },
})
// #endregion

const { queue } = await client.queueDeclare('orders.external', { exclusive: true })
await client.basicPublish('', queue, 'no password', { userId: 'orders' })
const message = await client.basicGet(queue, { noAck: true })
console.log(message?.properties.userId, message?.text())
