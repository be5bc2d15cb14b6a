/** Owns reading what rabbitmqctl lists of the shared broker. Knows nothing of the client under test. */
import { ctl } from './broker.js'

/** One line of a rabbitmqctl list by its columns: the first is the name that is looked for. */
export async function listed(
  list: string,
  name: string,
  columns: readonly string[],
): Promise<Record<string, string> | undefined> {
  const text = await ctl('-q', '--no-table-headers', list, ...columns)
  for (const line of text.split('\n')) {
    const fields = line.split('\t')
    if (fields[0] === name) return Object.fromEntries(columns.map((column, at) => [column, fields[at] ?? '']))
  }
  return undefined
}

/** How many channels the connection with this name has. */
export async function channelsOf(connectionName: string): Promise<number> {
  const text = await ctl('-q', '--no-table-headers', 'list_connections', 'channels', 'client_properties')
  const line = text.split('\n').find(row => row.includes(`"${connectionName}"`))
  if (line === undefined) throw new Error(`no connection is named ${connectionName}`)
  return Number.parseInt(line, 10)
}
