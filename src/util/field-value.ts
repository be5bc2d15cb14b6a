/**
 * Owns the JavaScript values that an AMQP field table can hold, and the wrappers that choose a wire type.
 * Does not know how they are encoded.
 */

/** The field types that a {@link Typed} wrapper can choose, named as in the grammar of AMQP 0-9-1. */
export type TypedName =
  | 'short-short-int'
  | 'short-short-uint'
  | 'short-int'
  | 'short-uint'
  | 'long-int'
  | 'long-uint'
  | 'long-long-int'
  | 'float'
  | 'double'
  | 'timestamp'

/**
 * A number with its wire type. Create one with {@link short}, {@link float} and similar functions. It is needed only if
 * the receiver, or an argument of the broker, requires a certain type.
 */
export class Typed {
  constructor(
    /** The wire type. */
    readonly type: TypedName,
    /** The number; the encoder checks that it is in range, and whole if the type is an integer. */
    readonly value: number | bigint,
  ) {}

  /** The number itself, so that arithmetic and comparison work. */
  valueOf(): number | bigint {
    return this.value
  }
}

/** An AMQP decimal: `unscaled / 10 ** scale`. */
export class Decimal {
  constructor(
    /** All digits as a signed 32-bit integer. */
    readonly unscaled: bigint,
    /** The number of digits after the decimal point, 0 to 255. */
    readonly scale: number,
  ) {}

  /** The decimal in the usual notation, for example `3.14`. */
  toString(): string {
    const sign = this.unscaled < 0n ? '-' : ''
    const digits = (this.unscaled < 0n ? -this.unscaled : this.unscaled)
      .toString()
      .padStart(this.scale + 1, '0')
    if (this.scale === 0) return sign + digits
    return `${sign}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`
  }
}

/** A table of named values: message headers, or the `arguments` of a declaration. */
export interface Table {
  [name: string]: FieldValue
}

/**
 * Every value that a field table can hold.
 *
 * Sent: strings as long strings (`S`), integers as `I` or `l` depending on their size, other numbers as doubles (`d`),
 * bigints as `l`, booleans as `t`, `Date` as timestamps (`T`, whole seconds), `Uint8Array` as byte arrays (`x`), arrays
 * as `A`, objects as `F`, `null` and `undefined` as void (`V`).
 *
 * Received: integers beyond 2^53 become bigints, byte arrays become `Buffer`, and long strings that are not valid UTF-8
 * become `Buffer` too. Timestamps beyond what a `Date` can hold become `timestamp(seconds)`. In a name, a byte that is not
 * UTF-8 becomes a lone surrogate from U+DC80 to U+DCFF, and is sent as that byte.
 *
 * What was received can be sent again, with two exceptions: a NaN and an infinite number are refused, since RabbitMQ
 * cannot read them and ends the connection over them.
 */
export type FieldValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | Uint8Array
  | Typed
  | Decimal
  | readonly FieldValue[]
  | Table

/** Sends `value` as an 8-bit signed integer (`b`). */
export const byte = (value: number): Typed => new Typed('short-short-int', value)
/** Sends `value` as an 8-bit unsigned integer (`B`). */
export const unsignedByte = (value: number): Typed => new Typed('short-short-uint', value)
/** Sends `value` as a 16-bit signed integer (`s`). */
export const short = (value: number): Typed => new Typed('short-int', value)
/** Sends `value` as a 16-bit unsigned integer (`u`). */
export const unsignedShort = (value: number): Typed => new Typed('short-uint', value)
/** Sends `value` as a 32-bit signed integer (`I`). */
export const int = (value: number): Typed => new Typed('long-int', value)
/** Sends `value` as a 32-bit unsigned integer (`i`). */
export const unsignedInt = (value: number): Typed => new Typed('long-uint', value)
/** Sends `value` as a 64-bit signed integer (`l`). */
export const long = (value: number | bigint): Typed => new Typed('long-long-int', value)
/** Sends `value` as a 32-bit float (`f`). */
export const float = (value: number): Typed => new Typed('float', value)
/** Sends `value` as a 64-bit float (`d`), even if it is a whole number. */
export const double = (value: number): Typed => new Typed('double', value)
/** Sends whole seconds since 1970 as a timestamp (`T`), for times that `Date` cannot represent. */
export const timestamp = (seconds: number | bigint): Typed => new Typed('timestamp', seconds)
/**
 * Sends `unscaled / 10 ** scale` as a decimal (`D`).
 *
 * @throws RangeError if `unscaled` is not a whole number
 */
export const decimal = (unscaled: bigint | number, scale: number): Decimal =>
  new Decimal(BigInt(unscaled), scale)
