/**
 * Owns the tags of the field types (AMQP 0-9-1, section 4.2.5.5 "Field Tables", with the field types that RabbitMQ
 * really uses), and the bound on nesting.
 *
 *   table  size long | (name shortstr | value)...
 *   array  size long | value...
 *   value  tag octet | what the tag says
 */

/** How many tables and arrays may lie within one another, the outermost table included. */
export const MAX_TABLE_DEPTH = 64

export const ARRAY = 0x41 // A
export const UINT8 = 0x42 // B
export const DECIMAL = 0x44 // D
export const TABLE = 0x46 // F
export const INT32 = 0x49 // I
export const INT64_ALIAS = 0x4c // L
export const TEXT = 0x53 // S
export const TIMESTAMP = 0x54 // T
export const VOID = 0x56 // V
export const INT8 = 0x62 // b
export const DOUBLE = 0x64 // d
export const FLOAT = 0x66 // f
export const UINT32 = 0x69 // i
export const INT64 = 0x6c // l
export const INT16 = 0x73 // s
export const BOOLEAN = 0x74 // t
export const UINT16 = 0x75 // u
export const BYTES = 0x78 // x
export const TWO_32 = 0x1_0000_0000
