/**
 * Owns the JavaScript of the package. Each entry is one file of code, `NAME.cjs`, and an ES module, `NAME.js`, that passes
 * on what it exports. So a process has each class once, however it loads the package.
 *
 * - Jest, in its default settings, cannot load an ES module. What is published as ES module only is bundled into the code.
 * - A bundle in the form of an ES module has no `require`. The modules of Node are loaded without it.
 */
import { writeFileSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'
import ts from 'typescript'
import { type Entry, PROJECT } from './entries.js'

const NOTICE =
  '// Contains p-queue and p-timeout (MIT, Sindre Sorhus) and eventemitter3 (MIT, Arnout Kazemier).'

/** The main entry stays a file of its own beneath the others: its classes must exist once. */
const mainEntry: Plugin = {
  name: 'main-entry',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: './index.cjs', external: true }))
  },
}

/** Leaves out the comments, which are half of it, and keeps the lines: a stack is to name one that can be read. */
function withoutComments(code: string): string {
  const { ESNext } = ts.ScriptTarget
  const compilerOptions = {
    removeComments: true,
    target: ESNext,
    module: ts.ModuleKind.ESNext,
    strict: false,
  }
  return ts.transpileModule(code, { compilerOptions }).outputText
}

/** Builds one entry; `external` are the packages that are not bundled into it. */
export async function buildCode({ name, source }: Entry, external: readonly string[]): Promise<void> {
  const isMain = name === 'index'
  const { outputFiles } = await build({
    absWorkingDir: PROJECT,
    entryPoints: [source],
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    outfile: `dist/${name}.cjs`,
    write: false,
    format: 'cjs',
    external: [...external],
    define: { 'import.meta.url': 'moduleUrl' },
    plugins: isMain ? [] : [mainEntry],
  })
  const [built] = outputFiles
  if (built === undefined) throw new Error(`nothing was built of ${source}`)
  const code = withoutComments(built.text).replace(
    /\brequire\(("node:[\w/]+")\)/g,
    'process.getBuiltinModule($1)',
  )
  const head = [
    ...(isMain ? [NOTICE] : []),
    '"use strict";',
    // It is undefined in a bundle in the form of an ES module.
    ...(code.includes('moduleUrl')
      ? ['const moduleUrl = typeof __filename === "string" ? __filename : "";']
      : []),
  ]
  const body = code.replace(/^"use strict";\n/, '')
  writeFileSync(`${PROJECT}/dist/${name}.cjs`, `${head.join('\n')}\n${body}`)
  const exported = /module\.exports = \{([^}]*)\}\);?\s*$/.exec(code)?.[1]
  if (exported === undefined) throw new Error(`${source}: no exports were found in what esbuild has written`)
  const names = exported.split(',').map(each => each.trim())
  writeFileSync(`${PROJECT}/dist/${name}.js`, `export { ${names.join(', ')} } from './${name}.cjs'\n`)
}
