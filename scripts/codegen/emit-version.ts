/** Owns the text of `src/version.gen.ts`. */

export function emitVersion(version: string): string {
  return `/** Owns the version of this package, as package.json has it. */\nexport const VERSION = '${version}'\n`
}
