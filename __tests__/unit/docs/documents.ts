/**
 * Owns reading the documents for people (README.md, docs/) as tests see them. Knows nothing of what they ought to say.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from '../../support/child.js'

export interface TextFile {
  /** Relative to the project. */
  readonly path: string
  readonly text: string
}

function read(path: string): TextFile {
  return { path, text: readFileSync(join(PROJECT, path), 'utf8') }
}

export function document(name: string): string {
  return read(name).text
}

/** README.md, CHANGELOG.md, CONTRIBUTING.md, SECURITY.md, and what is written by hand in docs/. */
export function documents(): TextFile[] {
  const docs = readdirSync(join(PROJECT, 'docs')).filter(name => name.endsWith('.md'))
  const top = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
  return [...top.map(read), ...docs.map(name => read(`docs/${name}`))]
}

export function examples(): TextFile[] {
  const files = readdirSync(join(PROJECT, 'examples'), { recursive: true, encoding: 'utf8' })
  return files.filter(name => /\.(ts|mjs)$/.test(name)).map(name => read(`examples/${name}`))
}

/** The fenced blocks of a language. */
export function blocks(text: string, language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')
  return [...text.matchAll(fenced)].map(([, block = '']) => block)
}
