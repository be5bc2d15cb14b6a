/**
 * Owns folders with fixed names in the system's temporary one, where any user may have made them before us. Knows nothing
 * of what is kept there.
 */
import { mkdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BrokerError } from './processes.js'

/** This user's folder of that name, made if it is missing. */
export function ownFolder(name: string): string {
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `${name}-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // The name can be guessed: what somebody else put there might tell us which programs to run, or which to kill.
  if (process.getuid !== undefined && statSync(folder).uid !== uid) {
    throw new BrokerError(`${folder} belongs to another user`)
  }
  return folder
}
