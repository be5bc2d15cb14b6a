/**
 * Owns the values that an AMQP field table can hold, as JavaScript sees them, and the wrappers that pick a wire type.
 * Knows nothing of how they are encoded.
 */

/** The field types that a {@link Typed} wrapper can ask for, by the name that the AMQP 0-9-1 grammar gives them. */
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
 * A number together with the wire type that it is to travel as. Make one with {@link short}, {@link float} and their
 * siblings; it is needed only where the receiver (or a broker argument) insists on a type.
 */
export class Typed {
  constructor(
    /** The wire type. */
    readonly type: TypedName,
    /** The number itself; range and integrality are checked when it is encoded. */
    readonly value: number | bigint,
  ) {}

  /** The bare number, so that arithmetic and comparison work. */
  valueOf(): number | bigint {
    return this.value
  }
}

/** An AMQP decimal: `unscaled / 10 ** scale`. */
export class Decimal {
  constructor(
    /** The digits as a signed 32-bit integer. */
    readonly unscaled: bigint,
    /** How many of the digits stand behind the decimal point, 0 to 255. */
    readonly scale: number,
  ) {}

  /** The decimal in usual notation, for example `3.14`. */
  toString(): string {
    const sign = this.unscaled < 0n ? '-' : ''
    const digits = (this.unscaled < 0n ? -this.unscaled : this.unscaled)
      .toString()
      .padStart(this.scale + 1, '0')
    if (this.scale === 0) return sign + digits
    return `${sign}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`
  }
}

/** A table of named values: message headers, and the `arguments` of declarations. */
export interface Table {
  [name: string]: FieldValue
}

/**
 * Every value that a field table can carry. What is sent: strings as long strings (`S`), integers as `I` or `l` by
 * their size, other numbers as doubles (`d`), bigints as `l`, `Date` as timestamps (`T`, whole seconds), `Uint8Array`
 * as byte arrays (`x`), arrays (`A`), objects (`F`), `null` and `undefined` as void (`V`). What is received: integers
 * beyond 2^53 as bigint, byte arrays as `Buffer`, and a long string that is not UTF-8 as `Buffer` too.
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
/** Sends `value` as a 64-bit float (`d`), also where it happens to be whole. */
export const double = (value: number): Typed => new Typed('double', value)
/** Sends whole seconds since 1970 as a timestamp (`T`): for moments that `Date` cannot hold. */
export const timestamp = (seconds: number | bigint): Typed => new Typed('timestamp', seconds)
/**
 * Sends `unscaled / 10 ** scale` as a decimal (`D`).
 *
 * @throws RangeError where `unscaled` is not a whole number
 */
export const decimal = (unscaled: bigint | number, scale: number): Decimal =>
  new Decimal(BigInt(unscaled), scale)
