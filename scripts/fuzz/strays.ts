/** Owns what is thrown, or rejects, where nobody waits for it: in this process, while inputs run. */

export class Strays {
  readonly #errors: unknown[] = []
  readonly #take = (error: unknown): void => {
    this.#errors.push(error)
  }

  start(): void {
    process.on('uncaughtException', this.#take)
    process.on('unhandledRejection', this.#take)
  }

  stop(): void {
    process.off('uncaughtException', this.#take)
    process.off('unhandledRejection', this.#take)
  }

  /** The first since the last call, if there was any. */
  take(): { readonly error: unknown } | undefined {
    const [first] = this.#errors.splice(0)
    return first === undefined ? undefined : { error: first }
  }
}
