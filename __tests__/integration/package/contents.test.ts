/** Covers the package as it would be published: what is in it, and how Node loads it. It needs the build in dist. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readEntries } from '../../../scripts/build/entries.js'
import * as source from '../../../src/index.js'
import { PROJECT } from '../../support/child.js'
import { UserProject } from '../../support/user-project.js'

const MINUTE = 60_000
const LARGEST_PACKAGE = 250 * 1024

/** What entries beside the main one need. */
const PEERS = ['prom-client', '@opentelemetry/api']

let project: UserProject

beforeAll(async () => {
  project = await UserProject.create(PEERS)
}, MINUTE)

afterAll(() => {
  project.remove()
})

describe('what is published', () => {
  test('is one file of code, an ES module over it, and one file of declarations for each entry', () => {
    const built = readEntries().flatMap(({ name }) => [
      `dist/${name}.cjs`,
      `dist/${name}.d.cts`,
      `dist/${name}.d.ts`,
      `dist/${name}.js`,
    ])
    expect(project.packed.filter(path => path.startsWith('dist/')).sort()).toEqual(built.sort())
  })

  test('is the documents, the examples and the licence beside that, and nothing else', () => {
    const others = project.packed.filter(path => !path.startsWith('dist/'))
    expect(others.filter(path => !/^(docs\/[\w-]+\.(md|svg)|examples\/.*)$/.test(path)).sort()).toEqual([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'package.json',
    ])
  })

  test('is small', () => {
    expect(project.size).toBeLessThan(LARGEST_PACKAGE)
  })

  test('is what was built last', () => {
    const digest = (folder: string): string =>
      createHash('sha256')
        .update(readFileSync(join(folder, 'dist/index.cjs')))
        .digest('hex')
    expect(digest(join(project.folder, 'node_modules/puka-amqp'))).toBe(digest(PROJECT))
  })
})

describe('Node loads the package', () => {
  const names = Object.keys(source).sort()

  test(
    'by import, with all its names',
    async () => {
      const text = `import * as puka from 'puka-amqp'\nconsole.log(JSON.stringify(Object.keys(puka).sort()))`
      const { status, stdout, stderr } = await project.program('all.mjs', text)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(JSON.parse(stdout)).toEqual(names)
    },
    MINUTE,
  )

  test(
    'by require(), with the same names, and without a warning',
    async () => {
      const text = `console.log(JSON.stringify(Object.keys(require('puka-amqp')).sort()))`
      const { status, stdout, stderr } = await project.program('all.cjs', text)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(JSON.parse(stdout)).toEqual(names)
    },
    MINUTE,
  )

  test(
    'both ways in one process, with the same classes',
    async () => {
      const { status, stdout, stderr } = await project.program(
        'both.mjs',
        `import { createRequire } from 'node:module'
        import * as imported from 'puka-amqp'
        const required = createRequire(import.meta.url)('puka-amqp')
        const different = Object.keys(imported).filter(name => imported[name] !== required[name])
        console.log(JSON.stringify(different))`,
      )
      expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: '[]\n' })
    },
    MINUTE,
  )

  test.each(readEntries().filter(({ name }) => name !== 'index'))(
    'and the entry $name both ways, once',
    async ({ name }) => {
      const { status, stdout, stderr } = await project.program(
        `${name}.mjs`,
        `import { createRequire } from 'node:module'
        import * as imported from 'puka-amqp/${name}'
        const required = createRequire(import.meta.url)('puka-amqp/${name}')
        const names = Object.keys(imported)
        console.log(names.length > 0, JSON.stringify(names.filter(name => imported[name] !== required[name])))`,
      )
      expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: 'true []\n' })
    },
    MINUTE,
  )

  test(
    'and nothing behind its entries',
    async () => {
      const { status, stderr } = await project.program('deep.mjs', `import 'puka-amqp/dist/index.cjs'`)
      expect(status).toBe(1)
      expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
    },
    MINUTE,
  )
})
