/**
 * Covers the package in projects of its users: with each test runner, loader and bundler that services have, in its default
 * settings, and what a bundler has written without the packages beside it. It needs the build in dist.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { brokerUrl } from '../../support/broker/broker.js'
import { type ChildOutcome, PROJECT, runNode } from '../../support/child.js'
import { UserProject } from '../../support/user-project.js'

const MINUTES = 180_000

/** The file of a command of this project. */
function command(name: string, bin = name): string {
  const manifest = join(PROJECT, 'node_modules', name, 'package.json')
  const { bin: bins } = createRequire(import.meta.url)(manifest) as { bin: string | Record<string, string> }
  return join(dirname(manifest), typeof bins === 'string' ? bins : (bins[bin] ?? ''))
}

/** What each of them does: a message there and back, and an error of the right class. */
const ROUND_TRIP = `
  const client = await connect(process.env.AMQP_URL)
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.basicPublish('', queue, 'there and back')
  let text
  for await (const message of client.basicConsume(queue, { prefetchCount: 1 })) {
    text = message.text()
    message.ack()
    break
  }
  const error = await client.queueDeclare('never declared', { passive: true }).catch(thrown => thrown)
  await client.drain()
  const isOurs = error instanceof NotFoundError && error instanceof AmqpError && client instanceof Client`
const NAMES = 'AmqpError, Client, connect, NotFoundError'
const ESM = `import { ${NAMES} } from 'puka-amqp'`
const CJS = `const { ${NAMES} } = require('puka-amqp')`
const PROGRAM_ESM = `${ESM}\n${ROUND_TRIP}\nconsole.log(text, isOurs)\n`
const PROGRAM_CJS = `${CJS}\nasync function main() {\n${ROUND_TRIP}\nconsole.log(text, isOurs)\n}\nmain()\n`
const PROGRAM_TS = PROGRAM_ESM.replace('let text', 'let text: string | undefined')
const PRINTED = 'there and back true\n'

function roundTripTest(expectation: string): string {
  return `test('a message there and back', async () => {\n${ROUND_TRIP}\n${expectation}\n}, 60000)\n`
}
const EXPECTS = `expect(text).toBe('there and back')\nexpect(isOurs).toBe(true)`

let project: UserProject
let bare: string

beforeAll(async () => {
  project = await UserProject.create(['@types/node', 'typescript', 'ts-node', 'vitest', 'vite', 'webpack'])
  bare = mkdtempSync(join(tmpdir(), 'puka-bundle-'))
}, MINUTES)

afterAll(() => {
  project.remove()
  rmSync(bare, { recursive: true })
})

function expectSuccess({ status, stdout, stderr }: ChildOutcome): void {
  expect({ status, text: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, text: '' })
}

describe('test runners', () => {
  test(
    'Jest runs a test in CommonJS, in its default settings',
    async () => {
      project.write({
        'jest-cjs/package.json': '{ "name": "a" }',
        'jest-cjs/trip.test.js': `${CJS}\n${roundTripTest(EXPECTS)}`,
      })
      expectSuccess(await project.node([command('jest')], 'jest-cjs'))
    },
    MINUTES,
  )

  test(
    'Jest runs a test that is an ES module',
    async () => {
      project.write({
        'jest-esm/package.json': '{ "name": "b", "type": "module", "jest": { "transform": {} } }',
        'jest-esm/trip.test.js': `${ESM}\n${roundTripTest(EXPECTS)}`,
      })
      const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
      expectSuccess(await project.node([...flags, command('jest')], 'jest-esm'))
    },
    MINUTES,
  )

  test(
    'Vitest runs a test',
    async () => {
      project.write({
        'vitest/trip.test.js': `import { expect, test } from 'vitest'\n${ESM}\n${roundTripTest(EXPECTS)}`,
      })
      expectSuccess(await project.node([command('vitest'), 'run', '--root', 'vitest']))
    },
    MINUTES,
  )

  test.each([
    ['trip.test.mjs', `import test from 'node:test'\nimport assert from 'node:assert'\n${ESM}`],
    ['trip.test.cjs', `const test = require('node:test')\nconst assert = require('node:assert')\n${CJS}`],
  ])(
    'node:test runs %s',
    async (name, head) => {
      const body = roundTripTest(`assert.equal(text, 'there and back')\nassert.ok(isOurs)`).replace(
        ', 60000',
        '',
      )
      project.write({ [`node-test/${name}`]: `${head}\n${body}` })
      expectSuccess(await project.node(['--test', `node-test/${name}`]))
    },
    MINUTES,
  )
})

describe('loaders of TypeScript', () => {
  test(
    'ts-node runs a program as CommonJS',
    async () => {
      const compilerOptions = { module: 'commonjs', target: 'es2022', strict: true, esModuleInterop: true }
      project.write({
        'ts-node/tsconfig.json': JSON.stringify({ compilerOptions, 'ts-node': { transpileOnly: true } }),
        'ts-node/main.ts': `${ESM}\nasync function main(): Promise<void> {\n${ROUND_TRIP}\nconsole.log(text, isOurs)\n}\nvoid main()`,
      })
      const outcome = await project.node([command('ts-node'), 'main.ts'], 'ts-node')
      expectSuccess(outcome)
      expect(outcome.stdout).toBe(PRINTED)
    },
    MINUTES,
  )

  test.each(['main.mts', 'main.cts'])(
    'tsx runs %s',
    async name => {
      const text = name.endsWith('.mts')
        ? PROGRAM_TS
        : PROGRAM_CJS.replace('let text', 'let text: string | undefined')
      project.write({ [`tsx/${name}`]: text })
      const outcome = await project.node([command('tsx'), `tsx/${name}`])
      expectSuccess(outcome)
      expect(outcome.stdout).toBe(PRINTED)
    },
    MINUTES,
  )
})

describe('bundlers', () => {
  /** A script for each that bundles `in.mjs` into `out`, in the project's folder. */
  const tool = (name: string): string => JSON.stringify(createRequire(import.meta.url).resolve(name))
  const esbuild = (format: string): string =>
    `await (await import(${tool('esbuild')})).build({ entryPoints: ['in.mjs'], bundle: true, platform: 'node', format: '${format}', outfile: out })`
  const scripts: Readonly<Record<string, { script: string; out: string }>> = {
    'esbuild as CommonJS': { out: 'esbuild.cjs', script: esbuild('cjs') },
    'esbuild as ES module': { out: 'esbuild.mjs', script: esbuild('esm') },
    'rollup as ES module': {
      out: 'rollup.mjs',
      script: `
        const { rollup } = await import(${tool('rollup')})
        const { default: commonjs } = await import(${tool('@rollup/plugin-commonjs')})
        const { default: resolve } = await import(${tool('@rollup/plugin-node-resolve')})
        const plugins = [resolve({ exportConditions: ['node'], preferBuiltins: true }), commonjs()]
        const bundle = await rollup({ input: 'in.mjs', plugins })
        await bundle.write({ file: out, format: 'es' })`,
    },
    'webpack as CommonJS': {
      out: 'webpack.cjs',
      script: `
        const { default: webpack } = await import(${tool('webpack')})
        const { dirname, basename } = await import('node:path')
        const output = { path: dirname(out), filename: basename(out) }
        const settings = { mode: 'production', target: 'node', entry: './in.mjs', output }
        await new Promise((done, fail) => webpack(settings, (error, stats) =>
          error || stats.hasErrors() ? fail(error ?? new Error(stats.toString())) : done()))`,
    },
    'vite for a server': {
      out: 'vite.mjs',
      script: `
        const { build } = await import(${tool('vite')})
        const { dirname, basename } = await import('node:path')
        await build({
          logLevel: 'warn',
          ssr: { noExternal: true },
          build: { ssr: 'in.mjs', outDir: dirname(out), emptyOutDir: false, target: 'node20',
            rollupOptions: { output: { entryFileNames: basename(out) } } },
        })`,
    },
  }

  test.each(Object.entries(scripts))(
    '%s: what it has written runs without the packages',
    async (name, { script, out }) => {
      const file = join(bare, out)
      // CommonJS has no await outside of functions.
      const wrapped = `${ESM}\nasync function main() {\n${ROUND_TRIP}\nconsole.log(text, isOurs)\n}\nmain()\n`
      project.write({ 'in.mjs': wrapped })
      const text = `const out = ${JSON.stringify(file)}\n${script}\n`
      expectSuccess(await project.program(`build-${name.replaceAll(' ', '-')}.mjs`, text))
      const env = { AMQP_URL: brokerUrl() }
      const { status, stdout, stderr } = await runNode([file], { cwd: bare, env })
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: PRINTED, stderr: '' })
    },
    MINUTES,
  )

  test(
    'a bundle says with DEBUG that the package debug is not there, and works',
    async () => {
      project.write({ 'in.mjs': PROGRAM_ESM })
      const file = join(bare, 'debug.mjs')
      expectSuccess(
        await project.program('build-debug.mjs', `const out = ${JSON.stringify(file)}\n${esbuild('esm')}`),
      )
      const env = { AMQP_URL: brokerUrl(), DEBUG: 'puka:*' }
      const { status, stdout, stderr } = await runNode([file], { cwd: bare, env })
      expect({ status, stdout }).toEqual({ status: 0, stdout: PRINTED })
      expect(stderr).toContain("the package 'debug' is not there")
      expect(readdirSync(bare)).not.toContain('node_modules')
    },
    MINUTES,
  )
})
