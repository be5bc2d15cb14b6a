/** Owns the sizes of a package: as it is downloaded and unpacked, and as a minified bundle of it and all it needs. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const run = promisify(execFile)

export interface Sizes {
  readonly packed: number
  readonly unpacked: number
  readonly bundle: number
  readonly bundleGzip: number
}

/** `folder` is the package's own, `entry` what a user imports. */
export async function sizesOf(folder: string, entry: string): Promise<Sizes> {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder })
  const [pack] = JSON.parse(stdout) as { size: number; unpackedSize: number }[]
  const bytes = await bundle(entry)
  return {
    packed: pack?.size ?? Number.NaN,
    unpacked: pack?.unpackedSize ?? Number.NaN,
    bundle: bytes.length,
    bundleGzip: gzipSync(bytes).length,
  }
}

async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: `export * from ${JSON.stringify(entry)}`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
  })
  return outputFiles[0]?.contents ?? new Uint8Array()
}
