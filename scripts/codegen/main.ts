/**
 * Owns the command `npm run codegen`: writes the generated files, or with `--check` says which of them are stale and
 * exits with 1. `--root` names another folder to read package.json from and to write or check in.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generate } from './generate.js'

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, root: { type: 'string', default: packageRoot } },
})

const { version } = JSON.parse(readFileSync(join(values.root, 'package.json'), 'utf8')) as { version: string }
const files = generate(version)
if (values.check) check(values.root)
else write(values.root)

function check(root: string): void {
  const stale = [...files].filter(([path, text]) => current(join(root, path)) !== text)
  for (const [path] of stale) console.error(`${path} is stale: run \`npm run codegen\` and commit the result`)
  if (stale.length > 0) process.exitCode = 1
}

function write(root: string): void {
  for (const [path, text] of files) {
    const target = join(root, path)
    if (current(target) === text) continue
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
    console.log(`wrote ${path}`)
  }
}

function current(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}
