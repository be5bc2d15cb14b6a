/** Owns what an editor shows of a file of TypeScript: it asks the language service, as editors do. */
import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { PROJECT } from './child.js'

export interface PublicName {
  /** The name, behind that of what it is a member of. */
  readonly name: string
  readonly position: number
}

const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  types: [],
  strict: true,
}

/** Shared: the libraries are read once. */
const registry = ts.createDocumentRegistry()
let opened = 0

export class Editor {
  readonly #file: string
  readonly #text: string
  readonly #service: ts.LanguageService

  /** Opens a file; `text` instead of what is on the disk, if it is given. */
  constructor(file: string, text = readFileSync(file, 'utf8')) {
    this.#file = file
    this.#text = text
    const version = String(++opened)
    this.#service = ts.createLanguageService(
      {
        getCompilationSettings: () => OPTIONS,
        getScriptFileNames: () => [file],
        // A version is never read twice.
        getScriptVersion: path => (path === file ? version : 'only'),
        getScriptSnapshot: path => {
          const read = path === file ? text : ts.sys.readFile(path)
          return read === undefined ? undefined : ts.ScriptSnapshot.fromString(read)
        },
        getCurrentDirectory: () => PROJECT,
        getDefaultLibFileName: ts.getDefaultLibFilePath,
        fileExists: path => path === file || ts.sys.fileExists(path),
        readFile: path => (path === file ? text : ts.sys.readFile(path)),
        readDirectory: ts.sys.readDirectory,
        directoryExists: ts.sys.directoryExists,
        getDirectories: ts.sys.getDirectories,
      },
      registry,
    )
  }

  /** What hovering over a position shows beside the type. */
  textAt(position: number): string {
    const info = this.#service.getQuickInfoAtPosition(this.#file, position)
    return ts.displayPartsToString(info?.documentation)
  }

  /** What is shown while the arguments of the call at the end of the file are written. */
  textOfCall(): string {
    const help = this.#service.getSignatureHelpItems(this.#file, this.#text.length, undefined)
    return ts.displayPartsToString(help?.items[help.selectedItemIndex]?.documentation)
  }

  /** What the file exports, and the members of that which a user can reach. */
  publicNames(): PublicName[] {
    const program = this.#service.getProgram()
    const source = program?.getSourceFile(this.#file)
    if (program === undefined || source === undefined) throw new Error(`${this.#file} could not be read`)
    const checker = program.getTypeChecker()
    const module = checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${this.#file} is no module`)
    return checker.getExportsOfModule(module).flatMap(exported => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      const declarations = (target.declarations ?? []).filter(each => each.getSourceFile() === source)
      return declarations.flatMap(each => [
        ...namesOf(each, ''),
        ...membersOf(each).flatMap(member => namesOf(member, `${exported.name}.`)),
      ])
    })
  }
}

function namesOf(declaration: ts.Declaration, owner: string): PublicName[] {
  const name = ts.getNameOfDeclaration(declaration)
  // A computed name is a symbol's: the runtime uses it.
  if (name === undefined || ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name)) return []
  return [{ name: owner + name.getText(), position: name.getStart() }]
}

function membersOf(declaration: ts.Declaration): ts.Declaration[] {
  if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
    return [...declaration.members].filter(
      member => !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private),
    )
  }
  const found: ts.Declaration[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node)) found.push(node)
    ts.forEachChild(node, visit)
  }
  if (ts.isTypeAliasDeclaration(declaration)) visit(declaration)
  return found
}
