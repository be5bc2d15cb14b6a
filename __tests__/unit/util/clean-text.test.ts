/** Covers text from elsewhere in messages: one line, nothing that a terminal obeys, and not without end. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cleanText, MOST_SHOWN } from '../../../src/util/clean-text.js'

describe('text from elsewhere', () => {
  test.each([
    ['plain, with ünïcode 日本 😀', 'plain, with ünïcode 日本 😀'],
    ['two\nlines\r\n\tin', 'two\\nlines\\r\\n\\tin'],
    ['\x1b[31mred', '\\u001b[31mred'],
    ['\x9b31m', '\\u009b31m'],
    ['\u202Egnp.exe', '\\u202egnp.exe'],
    ['a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
    ['a\u200Bb\uFEFF\u2066', 'a\\u200bb\\ufeff\\u2066'],
    ['half \uD800', 'half \\ud800'],
    ['tag \u{E0041}', 'tag \\u{e0041}'],
    ['\0', '\\u0000'],
  ])('%j is shown as %j', (text, shown) => {
    expect(cleanText(text)).toBe(shown)
  })

  test('is cut where it goes on for long, and says so', () => {
    expect(cleanText('x'.repeat(MOST_SHOWN))).toBe('x'.repeat(MOST_SHOWN))
    expect(cleanText('x'.repeat(180_000))).toBe(`${'x'.repeat(1000)}... (1000 of 180000 characters)`)
  })

  test('is never longer than a bounded number of characters, and is of safe ones only', () => {
    const unit = fc.oneof(
      fc.constantFrom('\n', '\x1b', '\u202E', '\u2028', '\uDC00', '\u{1F600}'),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 3000 }), parts => {
        const shown = cleanText(parts.join(''))
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
        expect(shown.isWellFormed?.() ?? true).toBe(true)
        expect(shown.length).toBeLessThan(10 * MOST_SHOWN)
      }),
    )
  })
})
