/** Owns which entries the package has: those of the exports in package.json. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

export interface Entry {
  /** The name of its files in dist. */
  readonly name: string
  /** Its source, from the project's folder. */
  readonly source: string
}

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>
}

/** `.` is made of src/index.ts, `./x` of src/x/index.ts. */
export function readEntries(): Entry[] {
  const { exports } = JSON.parse(readFileSync(`${PROJECT}/package.json`, 'utf8')) as Manifest
  return Object.keys(exports)
    .filter(path => path !== './package.json')
    .map(path => (path === '.' ? '' : path.slice('./'.length)))
    .map(path => ({ name: path || 'index', source: path ? `src/${path}/index.ts` : 'src/index.ts' }))
}
