/**
 * Owns the declarations of the package: one file for each entry, with the comments, and without what is internal. An ES
 * module and CommonJS see the same declarations, as they get the same classes: `NAME.d.ts` passes on `NAME.d.cts`.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Extractor, ExtractorConfig, type IConfigFile } from '@microsoft/api-extractor'
import { type Entry, PROJECT } from './entries.js'

/** Where the compiler writes one declaration file for each source file. API Extractor takes none from node_modules. */
const SEPARATE = `${PROJECT}/dist/separate`
/** What the other entries take the main one for; the package's own name would lead to its own files. */
const PACKAGE = 'puka-amqp-main'
const CACHE = `${PROJECT}/node_modules/.cache/api-extractor`

/**
 * Compilers take in `@types/node` and the library of `AsyncDisposable` by themselves only where a project's settings say
 * so: TypeScript 6 and 7 do not, by default.
 */
const REFERENCES = '/// <reference types="node" />\n/// <reference lib="esnext.disposable" />\n'

/** Writes the declarations of the sources. */
export function emitTypes(): void {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const options = ['-p', 'tsconfig.json', '--emitDeclarationOnly', '--outDir', SEPARATE]
  execFileSync(process.execPath, [compiler, ...options], { cwd: PROJECT, stdio: 'inherit' })
}

/**
 * Makes the main entry a package, for the others: of a package, API Extractor takes no types in. They must exist once, as the
 * classes do.
 */
export function setMainEntryApart(others: readonly Entry[]): void {
  const home = `${SEPARATE}/node_modules/${PACKAGE}`
  mkdirSync(home, { recursive: true })
  writeFileSync(
    `${home}/package.json`,
    JSON.stringify({ name: PACKAGE, version: '0.0.0', types: 'index.d.ts' }),
  )
  copyFileSync(`${PROJECT}/dist/index.d.cts`, `${home}/index.d.ts`)
  for (const { name } of others) {
    for (const file of readdirSync(`${SEPARATE}/${name}`)) {
      const path = `${SEPARATE}/${name}/${file}`
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll("'../index.js'", `'${PACKAGE}'`))
    }
  }
}

/** The package has the declarations of its entries only. */
export function removeSeparateTypes(): void {
  rmSync(SEPARATE, { recursive: true })
}

function settings({ name, source }: Entry): IConfigFile {
  const separate = `${SEPARATE}/${source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')}`
  return {
    projectFolder: PROJECT,
    mainEntryPointFilePath: separate,
    newlineKind: 'lf',
    compiler: {
      overrideTsconfig: {
        extends: `${PROJECT}/tsconfig.json`,
        include: [],
        files: [separate],
      },
    },
    apiReport: {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: name === 'index' ? 'puka-amqp' : name,
      reportFolder: `${PROJECT}/scripts/api`,
      reportTempFolder: CACHE,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: true, untrimmedFilePath: `${PROJECT}/dist/${name}.d.cts` },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: { logLevel: 'error' } },
      extractorMessageReporting: {
        default: { logLevel: 'error' },
        'ae-missing-release-tag': { logLevel: 'none' },
        // What editors show is tested: they take the text of an inherited member, too.
        'ae-undocumented': { logLevel: 'none' },
        'ae-unresolved-link': { logLevel: 'none' },
      },
      tsdocMessageReporting: { default: { logLevel: 'none' } },
    },
  } as unknown as IConfigFile
}

/** What becomes of the committed report of the API: it is left alone, compared, or written. */
export type Report = 'leave' | 'check' | 'write'

/** Rolls the declarations of an entry up. Returns whether its API is the one that its report says. */
export function rollUpTypes(entry: Entry, report: Report): boolean {
  const configObject = settings(entry)
  const config = ExtractorConfig.prepare({
    configObject: report === 'leave' ? { ...configObject, apiReport: { enabled: false } } : configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: `${PROJECT}/package.json`,
  })
  const { succeeded } = Extractor.invoke(config, {
    localBuild: report !== 'check',
    printApiReportDiff: report === 'check',
    showVerboseMessages: false,
    messageCallback: message => {
      // Which compiler it brings, and that the report was written.
      if (message.messageId.startsWith('console-')) message.logLevel = 'none' as typeof message.logLevel
    },
  })
  const file = `${PROJECT}/dist/${entry.name}.d.cts`
  const text = readFileSync(file, 'utf8').replace(/^\/\/\/ <reference .*\n/gm, '')
  writeFileSync(file, REFERENCES + text.replaceAll(`from '${PACKAGE}'`, `from './index.cjs'`))
  writeFileSync(`${PROJECT}/dist/${entry.name}.d.ts`, `export * from './${entry.name}.cjs'\n`)
  return succeeded
}
