/** Owns what is told of a client's cost outside the hot path. */
export interface CostFigures {
  readonly version: string
  /** Milliseconds to import it, in a fresh process. */
  readonly importTime: number
  /** Milliseconds for the first connection of a process, and for those that follow. */
  readonly firstConnect: number
  readonly connect: number
  /** Bytes, on the heap and outside of it. */
  readonly perConnection: number
  readonly perConsumer: number
  /** Bytes of the package as it is downloaded, and as it is unpacked. */
  readonly packed: number
  readonly unpacked: number
  /** Bytes of a minified bundle with all that it depends on, and of the same gzipped. */
  readonly bundle: number
  readonly bundleGzip: number
}
