/**
 * Owns the entry `puka-amqp/opentelemetry`: what the tracing channels of the library tell becomes spans and metrics. Whoever does
 * not import it needs no `@opentelemetry/api`.
 */

export { type InstrumentOptions, instrument } from './instrument.js'
export { extractContext } from './propagation.js'
