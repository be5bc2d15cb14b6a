// Owns: the one error class of the broker scripts.
// Must not know: who prints it. Its message is a line for a human; `detail` is what may follow it (a log tail).

export class BrokerError extends Error {
  override readonly name = 'BrokerError'

  constructor(
    message: string,
    readonly detail = '',
  ) {
    super(detail === '' ? message : `${message}\n${detail}`)
  }

  /** The message without its detail: the one line that a summary may quote. */
  get summary(): string {
    return this.message.split('\n', 1)[0] ?? ''
  }
}
