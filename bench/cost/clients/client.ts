/** Owns what `bench:cost` asks of a client. */
export interface CostClient {
  /** Connects. What it resolves with is held on to. */
  connect(url: string): Promise<unknown>
  /** Connects, and consumes so many times over that one connection, on a channel for each. */
  consume(url: string, queue: string, count: number): Promise<unknown>
}

export const MOST_CHANNELS = 65_535

/** Makes several, one after the other. */
export async function times<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = []
  for (let index = 0; index < count; index++) made.push(await make())
  return made
}
