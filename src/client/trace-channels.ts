/**
 * Owns the channels of Node's `diagnostics_channel` by which tools trace what a client does. Without a subscriber, each costs one
 * check. What their messages hold is in trace-types.ts: a type of it here would lead back to the code that traces.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel'

export const connects = tracingChannel<unknown, object>('puka-amqp:connect')
export const operations = tracingChannel<unknown, object>('puka-amqp:operation')
export const publishes = tracingChannel<unknown, object>('puka-amqp:publish')
export const processes = tracingChannel<unknown, object>('puka-amqp:process')
export const settles = tracingChannel<unknown, object>('puka-amqp:settle')
export const deliveries = channel('puka-amqp:deliver')
