// From Puka: the client and its connection.

// #region connect
import { Client } from 'puka-amqp'

const client = new Client(process.env.AMQP_URL ?? 'amqp://localhost')
const server = await client.connect()
console.log(server.product, Object.keys(server.capabilities).includes('basic.nack'))
// ...
await client.close()
// #endregion

// #region close
const other = new Client(process.env.AMQP_URL ?? 'amqp://localhost')
await other.connect()
const declare = other.queueDeclare('', { exclusive: true })
declare.catch(error => console.log(error.code)) // CONNECTION_CLOSED
await other.close()
// #endregion
