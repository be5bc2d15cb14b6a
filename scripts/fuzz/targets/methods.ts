/** Owns the target `methods`: payloads of method frames. What is read can be written, and read again as the same. */
import { isDeepStrictEqual } from 'node:util'
import { decodeMethod, type Method, type MethodCodec, methods } from '../../../src/codec/methods.gen.js'
import { Writer } from '../../../src/wire/writer.js'
import { attempt, kindOf } from '../attempt.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { anyMethod } from '../grammar.js'
import { CountingReader } from '../meter.js'
import { mutateBytes } from '../mutation.js'
import type { Target } from '../target.js'

/** Tables may hold such numbers: they are read, and refused when they are to be sent. */
const NOT_FINITE = /must be a finite number/

export const methodPayloads: Target<readonly Buffer[]> = {
  name: 'methods',
  form: chunks,
  generate: random => [anyMethod(random)],
  mutate: (input, random) => [mutateBytes(Buffer.concat(input), random)],
  run(input) {
    const bytes = Buffer.concat(input)
    const reader = new CountingReader(bytes)
    const read = attempt(() => decodeMethod(reader))
    demand(reader.reads <= 2 * bytes.length + 16, `${reader.reads} reads in ${bytes.length} bytes`)
    if (read.error !== undefined) return kindOf(read.error)
    const { name, args } = read.value
    const writer = new Writer(64)
    const written = attempt(() => (methods[name] as MethodCodec).encode(writer, args as never))
    if (written.error !== undefined) {
      demand(
        NOT_FINITE.test(written.error.message),
        `what was read cannot be written: ${written.error.message}`,
      )
      return `${name} ${kindOf(written.error)}`
    }
    const again = attempt((): Method => decodeMethod(new CountingReader(Buffer.from(writer.unit()))))
    demand(again.error === undefined, () => `what was written cannot be read: ${again.error?.message}`)
    demand(isDeepStrictEqual(again.value, read.value), 'what was written is read as something else')
    return name
  },
}
