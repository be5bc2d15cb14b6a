/** Owns the files of finds: what broke, how to repeat it, and the input. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './fuzzer.js'

/** Writes a find into a folder; returns the path of its file. */
export function writeFinding(folder: string, { target, kind, error, input }: Finding, seed: number): string {
  mkdirSync(folder, { recursive: true })
  const name = `${target}-${createHash('sha256').update(kind).digest('hex').slice(0, 10)}.txt`
  const path = join(folder, name)
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const comments = [
    `${kind} (seed ${seed})`,
    `to repeat it: npm run fuzz -- --target ${target} --input ${path}`,
    ...stack.split('\n'),
  ].map(line => `# ${line.replaceAll('#', '')}`)
  writeFileSync(path, `${[...comments, input].join('\n')}\n`)
  return path
}
