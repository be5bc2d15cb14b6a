/**
 * Owns how text from elsewhere, such as a broker's, is put into messages: on one line, without characters that a
 * terminal or a reader would obey, and not without end.
 */

/** So many characters of a text are shown. */
export const MOST_SHOWN = 1000

/** Control characters, line ends, what changes the direction of text or cannot be seen, and halves of a character. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** The text with such characters as escapes (`\n`, `\u202e`), cut after {@link MOST_SHOWN} characters. */
export function cleanText(text: string): string {
  const shown = text.length > MOST_SHOWN ? text.slice(0, MOST_SHOWN) : text
  const clean = shown.replace(UNSAFE, escaped)
  return text.length > MOST_SHOWN ? `${clean}... (${MOST_SHOWN} of ${text.length} characters)` : clean
}

function escaped(character: string): string {
  if (character === '\n') return '\\n'
  if (character === '\r') return '\\r'
  if (character === '\t') return '\\t'
  const code = character.codePointAt(0) as number
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
}
