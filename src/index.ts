/** The public face of puka-amqp: the only barrel. */
export { Client } from './client/client.js'
export type { ClientEmitter, ClientEventMethod, ClientEvents } from './client/client-events.js'
export { connect } from './client/connect.js'
export { Consumer } from './client/consumer.js'
export type { ConsumerState } from './client/consumer-state.js'
export type { Death } from './client/deaths.js'
export { Message } from './client/message.js'
export type * from './client/trace-types.js'
export type * from './client-options.js'
export type * from './client-state.js'
export * from './errors.js'
export type * from './options.js'
export { PublishManyError, type PublishManyFailure } from './publish-many-error.js'
export type * from './transport-types.js'
export {
  byte,
  Decimal,
  decimal,
  double,
  type FieldValue,
  float,
  int,
  long,
  short,
  type Table,
  Typed,
  type TypedName,
  timestamp,
  unsignedByte,
  unsignedInt,
  unsignedShort,
} from './util/field-value.js'
