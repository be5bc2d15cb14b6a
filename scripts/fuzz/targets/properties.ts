/**
 * Owns the target `properties`: the properties and headers of a message, as users see them. What is read can be written, and
 * read again as the same; and a message whose headers are damaged can still be looked at and settled.
 */
import { inspect, isDeepStrictEqual } from 'node:util'
import { Message } from '../../../src/client/message.js'
import { decodeBasicHeader } from '../../../src/codec/header-field.js'
import {
  decodeBasicHeaders,
  decodeBasicProperties,
  encodeBasicHeader,
} from '../../../src/codec/properties.gen.js'
import type { MessageProperties } from '../../../src/options.js'
import type { Settler } from '../../../src/session/settlement.js'
import type { Table } from '../../../src/util/field-value.js'
import { Writer } from '../../../src/wire/writer.js'
import { attempt, kindOf } from '../attempt.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { allMethods, methodPayload, propertyList } from '../grammar.js'
import { CountingReader } from '../meter.js'
import { mutateBytes } from '../mutation.js'
import type { Target } from '../target.js'

/** Before the property flags of an encoded content header: its class, weight and body size. */
const FIXED = 12
const NOT_FINITE = /must be a finite number/
const deliver = allMethods.filter(({ name }) => name === 'deliver')
const settler: Settler = {
  settle: () => true,
  autoAck: () => undefined,
  giveBack: () => undefined,
  isOutstanding: () => true,
  publicTag: tag => tag,
  isFromStream: () => true,
}

/** The property list, and the fields of basic.deliver. */
export const messageProperties: Target<readonly Buffer[]> = {
  name: 'properties',
  form: chunks,
  generate: random => [propertyList(random), methodPayload(random.pick(deliver), random).subarray(4)],
  mutate(input, random) {
    const at = random.below(input.length)
    return input.map((chunk, index) => (index === at ? mutateBytes(chunk, random) : chunk))
  },
  run([list = Buffer.alloc(0), envelope = Buffer.alloc(0)]) {
    const properties = attempt(() => decodeBasicProperties(new CountingReader(list)))
    const reader = new CountingReader(list)
    const headers = attempt(() => decodeBasicHeaders(reader))
    demand(reader.reads <= 2 * list.length + 16, `${reader.reads} reads in ${list.length} bytes`)
    for (const name of ['x-death', 'x-stream-offset', 'a']) decodeBasicHeader(new CountingReader(list), name)
    lookAt(list, envelope)
    if (properties.value === undefined || headers.value === undefined) {
      return `${kindOf(properties.error)}, headers: ${kindOf(headers.error)}`
    }
    return kindOf(checkRoundTrip(properties.value, headers.value))
  },
}

function checkRoundTrip(properties: MessageProperties, headers: Table): Error | undefined {
  const writer = new Writer(64)
  const written = attempt(() => encodeBasicHeader(writer, 0, properties, headers))
  if (written.error !== undefined) {
    demand(
      NOT_FINITE.test(written.error.message),
      `what was read cannot be written: ${written.error.message}`,
    )
    return written.error
  }
  const bytes = Buffer.from(writer.unit()).subarray(FIXED)
  const again = attempt(() => ({
    properties: decodeBasicProperties(new CountingReader(bytes)),
    headers: decodeBasicHeaders(new CountingReader(bytes)),
  }))
  demand(again.error === undefined, () => `what was written cannot be read: ${again.error?.message}`)
  demand(
    isDeepStrictEqual(again.value, { properties, headers }),
    'what was written is read as something else',
  )
  return undefined
}

/** Everything that a user may look at. */
function lookAt(list: Buffer, envelope: Buffer): void {
  const body = Buffer.from('body')
  const message = new Message(
    {
      methodBytes: envelope,
      methodAt: 0,
      methodEnd: envelope.length,
      headerBytes: list,
      headerAt: 0,
      headerEnd: list.length,
      bodyBytes: body,
      bodyAt: 0,
      bodyEnd: body.length,
    },
    1,
    settler,
    false,
    false,
  )
  inspect(message)
  demand(message.text() === 'body' && message.ack(), 'the message cannot be settled')
  const parts = [
    'exchange',
    'routingKey',
    'redelivered',
    'consumerTag',
    'properties',
    'headers',
    'streamOffset',
  ] as const
  for (const part of parts) attempt(() => message[part])
  const { deliveryCount, acquiredCount, deaths, position } = message
  for (const count of [deliveryCount, acquiredCount])
    demand(count === undefined || count >= 0, 'a count below 0')
  demand(Array.isArray(deaths), 'deaths are no list')
  demand(position === undefined || Number.isSafeInteger(position), 'a position that is no whole number')
}
