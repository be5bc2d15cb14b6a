/** Covers which hosts are this machine itself, by what they are called. */
import { expect, test } from '@jest/globals'
import { isLoopback } from '../../../src/util/loopback.js'

test.each(['localhost', 'LOCALHOST.', 'db.localhost', '127.0.0.1', '127.8.9.10', '::1', '::1%lo'])(
  'what is sent to %s stays on this machine',
  host => expect(isLoopback(host)).toBe(true),
)

test.each([
  'example.com',
  'localhost.example.com',
  'notlocalhost',
  '128.0.0.1',
  '0.0.0.0',
  '::2',
  'fe80::1%lo',
  '',
])('what is sent to "%s" may leave this machine', host => expect(isLoopback(host)).toBe(false))
