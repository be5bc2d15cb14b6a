/** Covers that every snippet in TypeScript and JavaScript of the documents is a part of an example, which the integration tests run. */
import { describe, expect, test } from '@jest/globals'
import { blocks, documents, examples } from './documents.js'

/** The parts of the examples between `// #region` and `// #endregion`, by their names, as a document shows them. */
function regions(): Map<string, string> {
  const found = new Map<string, string>()
  for (const { path, text } of examples()) {
    for (const [, indent = '', name = '', body = ''] of text.matchAll(
      /^( *)\/\/ #region ([\w-]+)\n(.*?)^ *\/\/ #endregion$/gms,
    )) {
      const flush = body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
      // A document names a broker; the example takes that of the environment.
      found.set(
        `${path}: ${name}`,
        flush.replaceAll(/process\.env\.AMQP_URL \?\? ('amqps?:\/\/localhost')/g, '$1'),
      )
    }
  }
  return found
}

describe('the snippets of the documents', () => {
  const snippets = documents().flatMap(({ path, text }) =>
    [...blocks(text, 'ts'), ...blocks(text, 'js')].map((block, index) => ({
      title: `${path}, snippet ${index + 1}`,
      block,
    })),
  )
  const parts = [...regions()]

  test.each(snippets)('$title is a part of an example, word for word', ({ block }) => {
    expect(parts.map(([, part]) => part)).toContain(block)
  })

  test.each(parts)('%s is shown in a document', (_, part) => {
    expect(snippets.map(({ block }) => block)).toContain(part)
  })
})
