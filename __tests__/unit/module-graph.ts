/** Owns what can be said of source files by their text alone: what they import, and which rules of layering they break. */
import { posix } from 'node:path'
import ts from 'typescript'

/** A source file: its path below `src`, and its text. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** An import, a re-export, or a type taken by `import('...')`. */
export interface Dependency {
  readonly from: string
  /** Below `src` for a file of ours, else as written. */
  readonly to: string
  readonly reExport: boolean
}

/** The folders by rank; everything else, but for the barrel, is at the bottom. */
const ranks: Readonly<Record<string, number>> = {
  client: 7,
  recovery: 6,
  session: 5,
  publishing: 4,
  connection: 3,
  transport: 2,
  frame: 2,
  codec: 2,
  wire: 1,
}
const BARREL = 'index.ts'
const TOP = 8
/** The entries beside the main one, each of which is a folder. They see the library as its users do. */
const ENTRIES: readonly string[] = ['opentelemetry', 'prometheus']

/** Whether a file is of an entry beside the main one. */
function isOfEntry(path: string): boolean {
  return ENTRIES.some(entry => path.startsWith(`${entry}/`))
}

/** All that the files depend on; type imports count. */
export function dependenciesOf(files: readonly SourceFile[]): Dependency[] {
  return files.flatMap(file => {
    const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, false)
    const found: Dependency[] = []
    const visit = (node: ts.Node): void => {
      const specifier = specifierOf(node)
      if (specifier !== undefined) {
        found.push({
          from: file.path,
          to: resolve(file.path, specifier),
          reExport: ts.isExportDeclaration(node),
        })
      }
      ts.forEachChild(node, visit)
    }
    visit(tree)
    return found
  })
}

/** Imports of a higher rank, or of another folder of the same rank. */
export function upwardImports(dependencies: readonly Dependency[]): string[] {
  return dependencies
    .filter(({ from, to }) => isOurs(to) && groupOf(from) !== groupOf(to) && rankOf(to) >= rankOf(from))
    .map(arrow)
}

/** Imports between files that lead back to where they began: one line for each way round. */
export function cycles(dependencies: readonly Dependency[]): string[] {
  const targets = new Map<string, string[]>()
  for (const { from, to } of dependencies) targets.set(from, [...(targets.get(from) ?? []), to])
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, way: readonly string[]): void => {
    const seenAt = way.indexOf(file)
    if (seenAt >= 0) found.push([...way.slice(seenAt), file].join(' -> '))
    if (seenAt >= 0 || done.has(file)) return
    for (const to of targets.get(file) ?? []) walk(to, [...way, file])
    done.add(file)
  }
  for (const file of targets.keys()) walk(file, [])
  return found
}

/** Re-exports in files other than a barrel, and imports of the barrel in the library itself. */
export function strayBarrels(dependencies: readonly Dependency[]): string[] {
  return dependencies
    .filter(({ from, to, reExport }) => {
      const isBarrel = from === BARREL || (isOfEntry(from) && from.endsWith(`/${BARREL}`))
      return (reExport && !isBarrel) || (to === BARREL && !isOfEntry(from))
    })
    .map(arrow)
}

/** Imports of packages, or of modules of the runtime, that are not allowed where they are. */
export function strayPackages(
  dependencies: readonly Dependency[],
  allowed: (from: string, packageName: string) => boolean,
): string[] {
  return dependencies.filter(({ from, to }) => !isOurs(to) && !allowed(from, to)).map(arrow)
}

/** Slots where a hand-written file says `any` as a type. */
export function anys(files: readonly SourceFile[]): string[] {
  return files.filter(isHandWritten).flatMap(file => {
    const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, false)
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) {
        found.push(`${file.path}:${tree.getLineAndCharacterOfPosition(node.pos).line + 1}`)
      }
      ts.forEachChild(node, visit)
    }
    visit(tree)
    return found
  })
}

/** Hand-written files that do not begin with a doc comment on what they own. */
export function headless(files: readonly SourceFile[]): string[] {
  return files
    .filter(isHandWritten)
    .filter(({ text }) => !/^\/\*\*[\s*]*\w/.test(text))
    .map(({ path }) => path)
}

function specifierOf(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : undefined
  }
  if (
    ts.isImportTypeNode(node) &&
    ts.isLiteralTypeNode(node.argument) &&
    ts.isStringLiteral(node.argument.literal)
  ) {
    return node.argument.literal.text
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [specifier] = node.arguments
    return specifier !== undefined && ts.isStringLiteral(specifier) ? specifier.text : undefined
  }
  return undefined
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts')
}

function isOurs(path: string): boolean {
  return path.endsWith('.ts')
}

function isHandWritten({ path }: SourceFile): boolean {
  return !path.endsWith('.gen.ts')
}

/** Files of one group may import one another: a ranked folder, or the bottom as a whole. */
function groupOf(path: string): string {
  if (path === BARREL) return BARREL
  const [folder = ''] = path.split('/')
  return folder in ranks || isOfEntry(path) ? folder : 'bottom'
}

function rankOf(path: string): number {
  if (isOfEntry(path)) return TOP + 1
  return path === BARREL ? TOP : (ranks[groupOf(path)] ?? 0)
}

function arrow({ from, to }: Dependency): string {
  return `${from} -> ${to}`
}
