/**
 * Covers what the fuzzer has found, and what was found before there was one: inputs of its targets, each of which broke an
 * invariant once. A target throws where one does not hold.
 */
import { expect, test } from '@jest/globals'
import { nested } from '../../../scripts/fuzz/grammar.js'
import { formatBytes } from '../../../scripts/fuzz/notation.js'
import { targets } from '../../../scripts/fuzz/targets.js'

async function outcomeOf(name: string, input: string): Promise<string> {
  const target = targets.find(one => one.name === name)
  if (target === undefined) throw new Error(`there is no target ${name}`)
  return target.run(target.form.parse(input))
}

const OPEN_OK = '01 0000 00000005 000a0029 00 ce'
const GET_OK = '01 0001 00000014 003c0047 0000000000000001 00 00 01 71 00000000 ce'
const header = (size: string): string => `02 0001 0000000e 003c0000 ${size} 0000 ce`

const bytes: [string, string, string, RegExp][] = [
  [
    'a body frame of 20,000 bytes completes no message of 5, also where it comes in parts',
    'content',
    `${GET_OK}\n${header('0000000000000005')}\n03 0001 00004e20 61*5\n61*100`,
    /^ UnexpectedFrameError/,
  ],
  [
    'a body frame of 20,000 bytes completes no message of 50,000 that is discarded, where 10,000 of that are missing',
    'content',
    `${GET_OK}\n${header('000000000000c350')}\n03 0001 00009c40 61*40000 ce 03 0001 00004e20 61*10000\n61*10000 ce`,
    /^ UnexpectedFrameError/,
  ],
  [
    'a body of 2^27 bytes that is announced sets nothing aside',
    'content',
    `${GET_OK}\n${header('0000000008000000')}\n03 0001 00000001 61 ce`,
    /ok$/,
  ],
  [
    'a body of 2^63 bytes cannot be',
    'content',
    `${GET_OK}\n${header('8000000000000000')}`,
    /AmqpSyntaxError/,
  ],
  ['a frame of 2^32 - 1 bytes is refused with its header', 'parser', '01 0000 ffffffff 00', /FrameError/],
  [
    'a frame of 131,064 bytes, of which one has come, sets little aside',
    'parser',
    '01 0000 0001fff8 00',
    /ok$/,
  ],
  ['a frame that ends with something else is refused', 'parser', '01 0000 00000000 cd', /FrameError/],
  ['64 tables within one another can be read', 'table-reader', formatBytes(nested(64, 'F')), /ok/],
  [
    '65 tables within one another are refused',
    'table-reader',
    formatBytes(nested(65, 'F')),
    /AmqpSyntaxError/,
  ],
  [
    '65 arrays within one another are refused',
    'table-reader',
    formatBytes(nested(66, 'A')),
    /AmqpSyntaxError/,
  ],
  ['a table that claims 2^32 - 1 bytes is refused', 'table-reader', 'ffffffff 0161 56', /AmqpSyntaxError/],
  [
    'an array that reaches beyond its table is refused',
    'table-reader',
    '00000007 0161 41 00000004',
    /AmqpSyntaxError/,
  ],
  [
    'a text that claims 2^31 bytes is refused',
    'table-reader',
    '00000008 0161 53 80000000 78',
    /AmqpSyntaxError/,
  ],
  ['a NaN is read, and is not written', 'table-reader', '0000000b 0161 64 7ff8000000000000', /ArgumentError/],
  [
    'a field named __proto__ is one like any other',
    'table-reader',
    '0000000c 09 5f5f70726f746f5f5f 74 01',
    /ok/,
  ],
  ['a method of three bytes is refused', 'methods', '003200', /AmqpSyntaxError/],
  ['a method of no class is refused', 'methods', '00ff 0001', /CommandInvalidError/],
  [
    'an offset next to nothing is no position in a stream',
    'properties',
    '2000 00000019 0f 782d73747265616d2d6f6666736574 64 01a56e1fc2f8f359\n',
    /ok/,
  ],
  [
    'flags that go on to the end of the header are refused',
    'properties',
    'ffff ffff ffff\n',
    /AmqpSyntaxError/,
  ],
]

test.each(bytes)('%s', async (_, target, input, expected) => {
  expect(await outcomeOf(target, input)).toMatch(expected)
})

const conversations: [string, string, RegExp][] = [
  [
    'nothing is sent behind the connection.close that answers a violation',
    'connect\nturn\npublish - q 5000 unconfirmed\nraw 00*7 ce',
    /publish/,
  ],
  [
    'a lane that the broker closes while it is idle is not used again',
    'connect\nturn\nqueue q\nturn\nclose-channel 3 406\nturn\nqueue q\nturn',
    /^close ok, closed ok, connect ok, queue ok$/,
  ],
  [
    'an open-ok behind the handshake ends the connection',
    `connect\nturn\nraw ${OPEN_OK}\nturn\nqueue q`,
    /disconnect CommandInvalidError/,
  ],
  [
    'an open-ok that comes twice in one read is refused',
    'pass\npass\ntwice\nconnect\nturn',
    /CommandInvalidError/,
  ],
  [
    'a connection.start that is lost ends in the timeout',
    'drop\nconnect\nturn\nwait 11000',
    /connect TimeoutError/,
  ],
  [
    'a broker that says nothing any more is closed in the end',
    'connect\nturn\nmute\npublish - q 1\nget q\nturn\ndrain',
    /close ok/,
  ],
  [
    'all of the handshake, byte by byte, is the same handshake',
    'chunk 1\nconnect\nturn\nqueue q',
    /connect ok/,
  ],
  [
    'a secret that waits for its first connection ends with the client',
    'connect\nconsume empty 1 end requeue\nsecret',
    /secret ConnectionClosedError/,
  ],
  [
    'a reply that comes twice ends the connection',
    'connect\nturn\ntwice\ntwice\nqueue q\nturn',
    /disconnect CommandInvalidError/,
  ],
]

const oddities: [string, string, RegExp][] = [
  ['an exchange that is a symbol', 'basicPublish 0 symbol', /with ArgumentError/],
  ['an exchange that cannot be put into words', 'basicPublish 0 bare', /with ArgumentError/],
  ['a user id that is a symbol', 'basicPublish 3.userId symbol', /with ArgumentError/],
  ['a timeout that cannot be put into words', 'queueDeclare 1.timeout bare', /with ArgumentError/],
  ['queues that are holes of an array', 'basicConsumeMulti 0 sparse', /with ArgumentError/],
  ['URLs that are holes of an array', 'client 0 sparse', /with ArgumentError/],
  ['consumer arguments that are null', 'basicConsume 1.arguments null', /with ArgumentError/],
  [
    'a prefetch count that cannot be put into words',
    'basicConsume 1.prefetchCount bare',
    /with ArgumentError/,
  ],
]

test.each(oddities)('refused with an ArgumentError: %s', async (_, call, expected) => {
  expect(await outcomeOf('arguments', `connect\nturn\nwith ${call}`)).toMatch(expected)
})

test.each(conversations)('%s', async (_, input, expected) => {
  expect(await outcomeOf('session', input)).toMatch(expected)
})
