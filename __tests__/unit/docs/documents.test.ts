/**
 * Covers what the documents promise to hold: every error, every name of Puka, the two lines of README.md, links that
 * lead somewhere.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import * as puka from '../../../src/index.js'
import { PROJECT } from '../../support/child.js'
import { blocks, document, documents } from './documents.js'

/** Every error class that can be thrown, with its code. */
function errorClasses(): [string, string][] {
  return Object.entries(puka).flatMap(([name, value]) => {
    if (typeof value !== 'function' || !(value.prototype instanceof puka.AmqpError)) return []
    const ErrorClass = value as unknown as new (message: string, context: object) => puka.AmqpError
    return [[name, new ErrorClass('', {}).code]]
  })
}

describe('docs/errors.md', () => {
  const sections = document('docs/errors.md').split(/^(?=#+ )/m)

  test('has found the classes', () => {
    expect(errorClasses().length).toBeGreaterThanOrEqual(27)
  })

  test.each(errorClasses())('has for %s a section that is found by its code, %s', (name, code) => {
    const section = sections.find(text => text.startsWith(`### ${code}\n`)) ?? ''
    expect(section).toContain(`\`${name}\``)
    expect(section).toMatch(/^\*\*When\.\*\* \S/m)
    expect(section).toMatch(/^\*\*What to do\.\*\* \S/m)
  })

  test('has no section for a code that there is not', () => {
    const named = sections.flatMap(text => /^### (\w+)\n/.exec(text)?.[1] ?? [])
    expect(named.sort()).toEqual(
      errorClasses()
        .map(([, code]) => code)
        .sort(),
    )
  })
})

describe('docs/from-puka.md', () => {
  const NAMES = [
    'Client(amqp_url)',
    ...['NoRoute', 'NoConsumers', 'AccessRefused', 'NotFound', 'ResourceLocked', 'PreconditionFailed'],
    'ConnectionBroken',
    ...['fileno', 'socket', 'on_read', 'on_write', 'needs_write', 'run_any_callbacks'],
    ...['wait', 'loop', 'loop_break', 'connect', 'close'],
    ...['exchange_declare', 'exchange_delete', 'exchange_bind', 'exchange_unbind'],
    ...['queue_declare', 'queue_delete', 'queue_purge', 'queue_bind', 'queue_unbind'],
    ...['basic_publish', 'basic_get', 'basic_consume', 'basic_consume_multi', 'basic_qos', 'basic_cancel'],
    ...['basic_ack', 'basic_reject'],
  ]
  const rows = document('docs/from-puka.md')
    .split('\n')
    .filter(line => line.startsWith('| '))

  test.each(NAMES)('has a row for %s', name => {
    const starts = [`| \`${name}\``, `| \`${name}(`]
    expect(rows.filter(row => starts.some(start => row.startsWith(start)))).not.toEqual([])
  })

  test('names only methods that there are', () => {
    const methods = rows.flatMap(row =>
      [...row.matchAll(/`client\.(\w+)\(/g)].map(([, method = '']) => method),
    )
    expect(methods.length).toBeGreaterThan(15)
    for (const method of methods) expect(puka.Client.prototype).toHaveProperty(method)
  })
})

describe('README.md', () => {
  test('has one line that runs the main job, and one that passes every test', () => {
    const text = document('README.md')
    expect(text.match(/npm ci.*/g)).toEqual(['npm ci && npm run demo', 'npm ci && npm test'])
    expect(blocks(text, 'sh')).toEqual(
      expect.arrayContaining(['npm ci && npm run demo\n', 'npm ci && npm test\n']),
    )
  })
})

test.each(documents())('the links of $path lead somewhere', ({ path, text }) => {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  for (const target of targets) {
    if (/^https?:/.test(target)) continue
    const [file = '', anchor] = target.split('#')
    const goal = file === '' ? path : join(dirname(path), file)
    expect({ target, exists: existsSync(join(PROJECT, goal)) }).toEqual({ target, exists: true })
    if (anchor === undefined) continue
    const headings = [...document(goal).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    )
    expect(headings).toContain(anchor)
  }
})
