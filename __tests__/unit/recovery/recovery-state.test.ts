/** Covers what users see of a client's states, and what may be done in each. */
import { describe, expect, test } from '@jest/globals'
import { ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import { checkState, describeState, type RecoveryState } from '../../../src/recovery/recovery-state.js'
import { defer } from '../../../src/util/promise.js'

const since = new Date(0)
const lost = new ConnectionBrokenError('the broker hung up')

const connecting: RecoveryState = {
  name: 'connecting',
  abort: new AbortController(),
  connected: defer(),
  attempt: 2,
  error: undefined,
  session: undefined,
}
const reconnecting: RecoveryState = {
  name: 'reconnecting',
  abort: new AbortController(),
  since,
  connected: defer(),
  attempt: 3,
  error: lost,
  session: undefined,
}
const closed = (reason: ConnectionBrokenError | ConnectionClosedError): RecoveryState => ({
  name: 'closed',
  reason,
  done: Promise.resolve(),
})

describe('a user sees', () => {
  test.each([
    [{ name: 'idle' }, { name: 'idle' }],
    [connecting, { name: 'connecting', attempt: 2 }],
    [reconnecting, { name: 'reconnecting', attempt: 3, since, error: lost }],
    [closed(new ConnectionClosedError('over')), { name: 'closed', error: undefined }],
    [closed(lost), { name: 'closed', error: lost }],
  ] as const)('of %o no more than what is for users', (state, seen) => {
    expect(describeState(state)).toEqual(seen)
  })
})

describe('something can be done', () => {
  test('while a lost connection is being replaced, unless the options say otherwise', () => {
    expect(() => checkState(reconnecting, 'queueBind', false)).not.toThrow()
    expect(() => checkState(reconnecting, 'queueBind', true)).toThrow(
      expect.objectContaining({
        constructor: ConnectionBrokenError,
        message: 'queueBind: the connection was lost: the broker hung up',
        operation: 'queueBind',
        cause: lost,
      }),
    )
  })

  test.each([
    [{ name: 'idle' }, ConnectionClosedError, /call connect\(\) first/],
    [connecting, ConnectionClosedError, /not connected yet/],
    [closed(new ConnectionClosedError('over')), ConnectionClosedError, /over/],
    [closed(lost), ConnectionBrokenError, /the broker hung up/],
  ] as const)('not in the state %o', (state, errorClass, message) => {
    const check = () => checkState(state, 'queueBind', false)
    expect(check).toThrow(errorClass)
    expect(check).toThrow(message)
  })
})
