/** Owns how names of the protocol become names of code. Knows nothing of what is emitted. */

/** `routing-key` becomes `routingKey`. */
export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** `basic`, `get-ok` become `BasicGetOk`. */
export function pascalCase(...names: string[]): string {
  const camel = camelCase(names.join('-'))
  return camel.charAt(0).toUpperCase() + camel.slice(1)
}

/** `basic`, `get-ok` become `BASIC_GET_OK`. */
export function constantCase(...names: string[]): string {
  return names.join('_').replaceAll('-', '_').toUpperCase()
}

/** A number in hexadecimal with a fixed number of digits. */
export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}
