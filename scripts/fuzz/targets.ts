/** Owns the list of all targets. */
import type { Target } from './target.js'
import { oddArguments } from './targets/arguments.js'
import { contentAssembly } from './targets/content.js'
import { methodPayloads } from './targets/methods.js'
import { parser } from './targets/parser.js'
import { messageProperties } from './targets/properties.js'
import { session } from './targets/session.js'
import { tableReader } from './targets/table-reader.js'
import { tableWriter } from './targets/table-writer.js'

export const targets: readonly Target<unknown>[] = [
  parser,
  tableReader,
  tableWriter,
  methodPayloads,
  messageProperties,
  contentAssembly,
  session,
  oddArguments,
]
