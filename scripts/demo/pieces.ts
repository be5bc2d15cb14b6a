/**
 * Owns a file as the pieces that become messages: its lines, each with its line ending, byte for byte. Knows nothing of
 * where the pieces go. Joined again they are the file, whatever it holds.
 */
const NEWLINE = 0x0a
/** A line longer than this travels as several messages: brokers limit the size of one. */
export const LONGEST_PIECE = 1_048_576

/** Cuts a stream of bytes behind every newline, and wherever a piece would grow longer than `longest`. */
export async function* piecesOf(
  chunks: AsyncIterable<Buffer>,
  longest = LONGEST_PIECE,
): AsyncGenerator<Buffer, void> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    // The rest of last time holds no newline: there is no need to search it again.
    let searchFrom = rest.length
    let start = 0
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, searchFrom)
      const end = newline < 0 ? bytes.length : newline + 1
      while (end - start > longest) {
        yield bytes.subarray(start, start + longest)
        start += longest
      }
      if (newline < 0) break
      yield bytes.subarray(start, end)
      start = end
      searchFrom = end
    }
    rest = bytes.subarray(start)
  }
  if (rest.length > 0) yield rest
}
