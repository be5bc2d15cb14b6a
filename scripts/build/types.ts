/**
 * Owns the declarations of the package: one file for each entry, with the comments, and without what is internal. An ES
 * module and CommonJS see the same declarations, as they get the same classes: `NAME.d.ts` passes on `NAME.d.cts`.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Extractor, ExtractorConfig, type IConfigFile } from '@microsoft/api-extractor'
import { type Entry, PROJECT } from './entries.js'

/** Where the compiler writes one declaration file for each source file. API Extractor takes none from node_modules. */
const SEPARATE = `${PROJECT}/dist/separate`
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

/** The package has the declarations of its entries only. */
export function removeSeparateTypes(): void {
  rmSync(SEPARATE, { recursive: true })
}

function settings({ name, source }: Entry): IConfigFile {
  return {
    projectFolder: PROJECT,
    mainEntryPointFilePath: `${SEPARATE}/${source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')}`,
    newlineKind: 'lf',
    compiler: {
      overrideTsconfig: {
        extends: `${PROJECT}/tsconfig.json`,
        include: [],
        files: [`${SEPARATE}/index.d.ts`],
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
  writeFileSync(file, REFERENCES + readFileSync(file, 'utf8').replace(/^\/\/\/ <reference .*\n/gm, ''))
  writeFileSync(`${PROJECT}/dist/${entry.name}.d.ts`, `export * from './${entry.name}.cjs'\n`)
  return succeeded
}
