/** Covers the command that writes the generated files, and that it notices a stale one. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { domains, replyCodes } from '../../../scripts/codegen/spec.js'
import * as constants from '../../../src/constants.gen.js'
import { AmqpError, ProtocolError } from '../../../src/errors.js'
import { errorFromReply } from '../../../src/reply-errors.js'
import { VERSION } from '../../../src/version.gen.js'

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const MAIN = fileURLToPath(new URL('../../../scripts/codegen/main.ts', import.meta.url))
const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url))
const MINUTE = 60_000
const FILES = [
  'src/constants.gen.ts',
  'src/codec/methods.gen.ts',
  'src/codec/properties.gen.ts',
  'src/version.gen.ts',
]

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'puka-codegen-'))
  copyFileSync(PACKAGE, join(root, 'package.json'))
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

function codegen(...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ['--import', TSX, MAIN, ...args], {
    encoding: 'utf8',
  })
  return { status, stderr }
}

test(
  'the committed files are what the spec table gives',
  () => {
    expect(codegen('--check')).toEqual({ status: 0, stderr: '' })
  },
  MINUTE,
)

test(
  'the check passes for what was just written, and fails for each file that differs or is missing',
  () => {
    expect(codegen('--root', root).status).toBe(0)
    expect(codegen('--root', root, '--check')).toEqual({ status: 0, stderr: '' })

    const [constantsFile, methodsFile] = FILES.map(path => join(root, path)) as [string, string]
    writeFileSync(methodsFile, `${readFileSync(methodsFile, 'utf8')}\n`)
    rmSync(constantsFile)
    const { status, stderr } = codegen('--root', root, '--check')
    expect(status).toBe(1)
    expect(FILES.filter(path => stderr.includes(`${path} is stale`))).toEqual(FILES.slice(0, 2))
  },
  MINUTE,
)

test(
  'a new version in package.json makes the version file stale until it is written anew',
  () => {
    codegen('--root', root)
    writeFileSync(join(root, 'package.json'), '{ "version": "12.3.4-beta.5" }')
    const { status, stderr } = codegen('--root', root, '--check')
    expect(status).toBe(1)
    expect(FILES.filter(path => stderr.includes(path))).toEqual(['src/version.gen.ts'])
    expect(codegen('--root', root).status).toBe(0)
    expect(readFileSync(join(root, 'src/version.gen.ts'), 'utf8')).toContain("VERSION = '12.3.4-beta.5'")
    expect(codegen('--root', root, '--check').status).toBe(0)
  },
  MINUTE,
)

test('VERSION is that of the package', () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(PACKAGE, 'utf8')).version)
})

test('every domain leads to a type that stands for itself', () => {
  for (const type of Object.values(domains)) expect(domains[type]).toBe(type)
})

test('every error code of the protocol has an error of its own that bears its name', () => {
  const errors = replyCodes.filter(({ severity, name }) => severity !== 'none' && name !== 'no-route')
  expect(errors).toHaveLength(17)
  for (const { name, code } of errors) {
    const error = errorFromReply(code, 'text', {})
    expect(error).toBeInstanceOf(AmqpError)
    expect(error).not.toBeInstanceOf(ProtocolError)
    expect(error.code).toBe(name.toUpperCase().replaceAll('-', '_'))
    expect(constants).toHaveProperty(error.code, code)
  }
})
