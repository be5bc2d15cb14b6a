/** Owns the text of `src/constants.gen.ts`: class ids and reply codes. */
import { constantCase } from './names.js'
import { classes, replyCodes } from './spec.js'

const severities = {
  none: 'Not an error.',
  soft: 'Soft: ends the channel.',
  hard: 'Hard: ends the connection.',
}

export function emitConstants(): string {
  const lines = [
    '/** Owns the numbers of AMQP 0-9-1 that are not method ids: class ids and reply codes. */',
    '',
  ]
  for (const { name, id } of classes) lines.push(`export const CLASS_${constantCase(name)} = ${id}`)
  lines.push('')
  for (const { name, code, severity } of replyCodes) {
    lines.push(`/** ${severities[severity]} */`, `export const ${constantCase(name)} = ${code}`)
  }
  return `${lines.join('\n')}\n`
}
