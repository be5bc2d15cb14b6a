// From Puka: exchanges, queues and bindings.

import { connect } from 'puka-amqp'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')

// #region exchanges
await client.exchangeDeclare('example.events', { type: 'topic' })
await client.exchangeDeclare('example.audit', { type: 'fanout' })
await client.exchangeBind('example.audit', 'example.events', '#')
await client.exchangeUnbind('example.audit', 'example.events', '#')
await client.exchangeDelete('example.audit', { ifUnused: true })
// #endregion

// #region queues
const declared = await client.queueDeclare('example.mails', { arguments: { 'x-max-length': 1000 } })
console.log(declared.queue, declared.messageCount, declared.consumerCount)

await client.queueBind('example.mails', 'example.events', 'mail.*')
await client.basicPublish('example.events', 'mail.in', 'Dear reader')
const { messageCount } = await client.queuePurge('example.mails')
console.log(`${messageCount} purged`)
await client.queueUnbind('example.mails', 'example.events', 'mail.*')
await client.queueDelete('example.mails', { ifUnused: true, ifEmpty: true })
// #endregion

await client.exchangeDelete('example.events')
