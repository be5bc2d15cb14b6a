/** Covers the layering of `src`: each rule on the real files, and each check on made-up ones that break its rule. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import {
  anys,
  cycles,
  dependenciesOf,
  headless,
  type SourceFile,
  strayBarrels,
  strayPackages,
  upwardImports,
} from './module-graph.js'

const root = fileURLToPath(new URL('../../src/', import.meta.url))
const files: SourceFile[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map(path => ({ path: path.split(sep).join('/'), text: readFileSync(join(root, path), 'utf8') }))
const dependencies = dependenciesOf(files)

const PACKAGES = ['debug', 'p-queue']
const NETWORK = ['node:net', 'node:tls', 'node:dgram', 'node:http', 'node:https', 'node:dns']
/** What works on bytes, and must run without any network. */
const SANS_IO = /^(?:wire|frame|codec|connection|publishing|session)\//

/** The peer of an entry beside the main one. */
const PEERS: Readonly<Record<string, string>> = {
  'opentelemetry/': '@opentelemetry/api',
  'prometheus/': 'prom-client',
}

const knownPackage = (from: string, name: string): boolean =>
  name.startsWith('node:') ||
  PACKAGES.includes(name) ||
  Object.entries(PEERS).some(([entry, peer]) => from.startsWith(entry) && name === peer)
const sansIo = (from: string, name: string): boolean => !SANS_IO.test(from) || !NETWORK.includes(name)

describe('src', () => {
  test('is read as a whole: files of every layer, and what they import', () => {
    const folders = new Set(files.map(({ path }) => path.split('/').slice(0, -1).join('/')))
    for (const folder of [
      '',
      'client',
      'recovery',
      'session',
      'publishing',
      'connection',
      'transport',
      'frame',
      'codec',
      'wire',
      'util',
    ]) {
      expect(folders).toContain(folder)
    }
    expect(dependencies).toContainEqual({
      from: 'connection/channel.ts',
      to: 'connection/content.ts',
      reExport: false,
    })
    expect(dependencies).toContainEqual({ from: 'index.ts', to: 'errors.ts', reExport: true })
    const paths = files.map(({ path }) => path)
    for (const { to } of dependencies) if (to.endsWith('.ts')) expect(paths).toContain(to)
  })

  test('imports its own folder and lower ranks only', () => {
    expect(upwardImports(dependencies)).toEqual([])
  })

  test('has no cycles, type imports included', () => {
    expect(cycles(dependencies)).toEqual([])
  })

  test('has one barrel, index.ts, which only the other entries import', () => {
    expect(strayBarrels(dependencies)).toEqual([])
  })

  test('imports no packages but p-queue and debug, and each other entry its peer', () => {
    expect(strayPackages(dependencies, knownPackage)).toEqual([])
  })

  test('touches the network in its transport only', () => {
    expect(strayPackages(dependencies, sansIo)).toEqual([])
  })

  test('never says any', () => {
    expect(anys(files)).toEqual([])
  })

  test('begins every file with a comment on what it owns', () => {
    expect(headless(files)).toEqual([])
  })
})

describe('the checks', () => {
  test.each([
    ["import { a } from '../client/client.js'"],
    ["import type { A } from '../client/client.js'"],
    ["export { a } from '../client/client.js'"],
    ["type A = import('../client/client.js').A"],
    ["const a = await import('../client/client.js')"],
    ["import '../client/client.js'"],
  ])('see the import of a higher rank in: %s', text => {
    expect(upwardImports(dependenciesOf([{ path: 'session/a.ts', text }]))).toEqual([
      'session/a.ts -> client/client.ts',
    ])
  })

  test.each([
    ['codec/a.ts', '../frame/b.js'],
    ['frame/a.ts', '../transport/b.js'],
    ['util/a.ts', '../wire/b.js'],
    ['errors.ts', './codec/b.js'],
    ['client/a.ts', '../index.js'],
    ['client/a.ts', '../prometheus/index.js'],
  ])('see that %s may not import %s', (path, to) => {
    expect(upwardImports(dependenciesOf([{ path, text: `import '${to}'` }]))).toHaveLength(1)
  })

  test.each([
    ['client/a.ts', './b.js'],
    ['client/a.ts', '../wire/b.js'],
    ['codec/a.ts', '../wire/b.js'],
    ['errors.ts', './util/b.js'],
    ['util/a.ts', '../errors.js'],
    ['index.ts', './client/b.js'],
    ['session/a.ts', 'node:net'],
  ])('let %s import %s', (path, to) => {
    expect(upwardImports(dependenciesOf([{ path, text: `import '${to}'` }]))).toEqual([])
  })

  test('see cycles, of two files and of three, each once', () => {
    const graph = dependenciesOf([
      { path: 'util/a.ts', text: "import type { B } from './b.js'" },
      { path: 'util/b.ts', text: "import './a.js'; import './c.js'" },
      { path: 'util/c.ts', text: "import './d.js'" },
      { path: 'util/d.ts', text: "import './b.js'" },
      { path: 'util/e.ts', text: "import './a.js'" },
    ])
    expect(cycles(graph)).toEqual([
      'util/a.ts -> util/b.ts -> util/a.ts',
      'util/b.ts -> util/c.ts -> util/d.ts -> util/b.ts',
    ])
  })

  test('take two ways to one file for no cycle', () => {
    const graph = dependenciesOf([
      { path: 'util/a.ts', text: "import './b.js'; import './c.js'" },
      { path: 'util/b.ts', text: "import './d.js'" },
      { path: 'util/c.ts', text: "import './d.js'" },
    ])
    expect(cycles(graph)).toEqual([])
  })

  test('see a second barrel, and an import of the first', () => {
    const graph = dependenciesOf([
      { path: 'index.ts', text: "export * from './errors.js'" },
      { path: 'client/index.ts', text: "export * from './a.js'; export type { B } from './b.js'" },
      { path: 'client/c.ts', text: "import { Client } from '../index.js'" },
    ])
    expect(strayBarrels(graph)).toEqual([
      'client/index.ts -> client/a.ts',
      'client/index.ts -> client/b.ts',
      'client/c.ts -> index.ts',
    ])
  })

  test('see a foreign package, and a socket where none may be', () => {
    const graph = dependenciesOf([
      { path: 'session/a.ts', text: "import 'node:net'; import 'p-queue'; import 'lodash'" },
      { path: 'transport/a.ts', text: "import 'node:net'; import 'debug'" },
    ])
    expect(strayPackages(graph, knownPackage)).toEqual(['session/a.ts -> lodash'])
    expect(strayPackages(graph, sansIo)).toEqual(['session/a.ts -> node:net'])
  })

  test('see any as a type, and not in words, comments or generated files', () => {
    const text = "// any\nconst any = 'any'\nlet a: any\nfunction b<T = Record<string, any>>(c: T) {}"
    expect(
      anys([
        { path: 'util/a.ts', text },
        { path: 'util/a.gen.ts', text },
      ]),
    ).toEqual(['util/a.ts:3', 'util/a.ts:4'])
  })

  test('see a file that begins with anything but a doc comment', () => {
    const header = '/** Owns a. */\n'
    expect(
      headless([
        { path: 'a.ts', text: `${header}export {}` },
        { path: 'b.ts', text: `export {}\n${header}` },
        { path: 'c.ts', text: '// Owns c.\nexport {}' },
        { path: 'd.ts', text: '/** */\nexport {}' },
        { path: 'e.ts', text: '/**\n * Owns e.\n */\nexport {}' },
        { path: 'f.gen.ts', text: 'export {}' },
      ]),
    ).toEqual(['b.ts', 'c.ts', 'd.ts'])
  })
})
