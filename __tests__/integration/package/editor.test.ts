/** Covers what an editor shows of the package: a text for each public name. It needs the build in dist. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { PROJECT } from '../../support/child.js'
import { Editor } from '../../support/editor.js'

const { exports } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>
}
const entries = Object.keys(exports).filter(path => path !== './package.json')

/** What follows `@throws` in an editor: it cuts a link that comes first. */
const CUT_LINK = /@throws \{@link/

describe.each(entries)('of the entry %s', path => {
  const file = join(PROJECT, 'dist', `${path === '.' ? 'index' : path.slice('./'.length)}.d.cts`)

  test('every public name has a text', () => {
    const editor = new Editor(file)
    const names = editor.publicNames()
    expect(names.length).toBeGreaterThan(0)
    expect(names.filter(({ position }) => editor.textAt(position) === '').map(({ name }) => name)).toEqual([])
  })

  test('no text begins what is thrown with a link', () => {
    expect(readFileSync(file, 'utf8')).not.toMatch(CUT_LINK)
  })
})

test("a listener's call shows the text of its event", () => {
  const file = join(PROJECT, 'dist/index.d.cts')
  const editor = new Editor(file)
  const events = editor.publicNames().filter(({ name }) => /^ClientEvents\.\w+$/.test(name))
  expect(events.length).toBeGreaterThan(10)
  for (const { name, position } of events) {
    const event = name.slice('ClientEvents.'.length)
    for (const method of ['on', 'once', 'off']) {
      const use = `import type { Client } from './index.cjs'\ndeclare const client: Client\nclient.${method}('${event}', `
      const program = new Editor(join(PROJECT, 'dist/use.ts'), use)
      expect([event, program.textOfCall()]).toEqual([event, editor.textAt(position)])
    }
  }
})
