/** Covers the first minute of a new user: what README.md shows, pasted into an empty folder. It needs the build in dist. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { brokerUrl } from '../../support/broker/broker.js'
import { UserProject } from '../../support/user-project.js'

const MINUTE = 60_000

let project: UserProject
let quickStart: string

beforeAll(async () => {
  project = await UserProject.create()
  const readme = readFileSync(join(project.folder, 'node_modules/puka-amqp/README.md'), 'utf8')
  const [, pasted = ''] = /^```js\n(.*?)^```$/ms.exec(readme) ?? []
  quickStart = pasted.replace('amqp://localhost', brokerUrl())
}, MINUTE)

afterAll(() => {
  project.remove()
})

test('the quick start runs as an ES module', async () => {
  expect(await project.program('quick-start.mjs', quickStart)).toMatchObject({
    status: 0,
    stdout: 'hello\n',
    stderr: '',
  })
}, 60_000)

test('the quick start runs in CommonJS', async () => {
  const [first = '', ...others] = quickStart.split('\n')
  expect(first).toBe(`import { connect } from 'puka-amqp'`)
  const text = `const { connect } = require('puka-amqp')\nasync function main() {\n${others.join('\n')}\n}\nmain()\n`
  expect(await project.program('quick-start.cjs', text)).toMatchObject({
    status: 0,
    stdout: 'hello\n',
    stderr: '',
  })
}, 60_000)

test('every link of the package leads to a file of the package, or to a public place', () => {
  const documents = project.packed.filter(path => path.endsWith('.md'))
  expect(documents).toContain('README.md')
  for (const path of documents) {
    const text = readFileSync(join(project.folder, 'node_modules/puka-amqp', path), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)[^)\s]*\)/g)) {
      if (/^https:/.test(target)) continue
      expect([path, project.packed]).toEqual([path, expect.arrayContaining([join(path, '..', target)])])
    }
  }
})
