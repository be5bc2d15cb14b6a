/**
 * Owns how an operation of the facade is put to the session: options are checked, arguments are captured, and a queue
 * that the broker has renamed goes by its present name.
 */
import { type CallSite, captureCallSite } from '../call-site.js'
import type { ArgsOf, ReplyOf, SynchronousName } from '../codec/methods.gen.js'
import type { Reply } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { withOperation } from '../operation-errors.js'
import type { OperationOptions } from '../options.js'
import type { Operations, OperationTask } from '../recovery/operations.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import type { TopologyRecord } from '../recovery/topology-record.js'
import type { TopologyNames } from '../recovery/topology-recovery.js'
import type { Session } from '../session/session.js'
import type { Outcome } from '../ticket.js'
import { copyTable } from '../util/copy-table.js'
import type { Table } from '../util/field-value.js'
import { checkOptionsOf, type OptionedMethod } from './operation-options.js'
import { NO_ARGUMENTS } from './topology-arguments.js'
import { operations } from './trace-channels.js'

/** A request of the facade, and what its reply means. */
export interface Call<N extends SynchronousName, T> {
  readonly name: N
  /** Reads the arguments; the options are known to be an object by then. */
  args(): ArgsOf<N>
  /** Makes the outcome of the reply; `sent` are the arguments as they were sent. */
  result(reply: ReplyOf<N>, sent: ArgsOf<N>): T
  /** Whether the request may be made again on the next connection if its outcome is not known. @default true */
  isRepeatable?(args: ArgsOf<N>): boolean
}

export class OperationCaller {
  readonly #connection: RecoveringConnection
  readonly #operations: Operations
  readonly #record: TopologyRecord
  /** For traces. */
  readonly #client: object

  constructor(
    client: object,
    connection: RecoveringConnection,
    operations: Operations,
    record: TopologyRecord,
  ) {
    this.#client = client
    this.#connection = connection
    this.#operations = operations
    this.#record = record
  }

  /** Begins an operation. Never throws: what is wrong at once rejects, too. */
  perform<T>(
    operation: OptionedMethod,
    options: OperationOptions,
    prepare: () => OperationTask<T>,
    site = captureCallSite(this.perform),
  ): Promise<T> {
    const perform = (): Promise<T> => this.#perform(operation, options, prepare, site)
    if (!operations.hasSubscribers) return perform()
    return operations.tracePromise(perform, { client: this.#client, operation }) as Promise<T>
  }

  #perform<T>(
    operation: OptionedMethod,
    options: OperationOptions,
    prepare: () => OperationTask<T>,
    site: CallSite,
  ): Promise<T> {
    try {
      checkOptionsOf(operation, options)
      const task = prepare()
      this.#connection.check(operation)
      return this.#operations.perform(operation, options, task, site)
    } catch (error) {
      return Promise.reject(withOperation(error, { operation }, site))
    }
  }

  /** Makes a request on a lane. */
  call<N extends SynchronousName, T>(
    operation: OptionedMethod,
    options: OperationOptions,
    { name, args: readArgs, result, isRepeatable }: Call<N, T>,
  ): Promise<T> {
    const prepare = (): OperationTask<T> => {
      const args = readArgs()
      const { frameMax } = this.#connection
      const request = encodeRequest(name, args, frameMax)
      const captured = capture(args)
      const begin = (session: Session, outcome: Outcome<T>): void => {
        const present = this.#withPresentName(captured)
        // The limit on frames may be lower than when the request was encoded.
        const isSame = present === captured && frameMax === session.frameMax
        const toSend = isSame ? request : encodeRequest(name, present, session.frameMax)
        // The channel lets no other reply pass than the request's own.
        session.call(outcome, toSend, ({ method }: Reply) => result(method as ReplyOf<N>, present))
      }
      return { about: captured as TopologyNames, repeatable: isRepeatable?.(args) ?? true, begin }
    }
    return this.perform(operation, options, prepare, captureCallSite(this.call))
  }

  /** A queue that the broker named has another name after each recovery. */
  #withPresentName<A extends object>(args: A): A {
    if (!('queue' in args) || typeof args.queue !== 'string') return args
    const queue = this.#record.nameOf(args.queue)
    return queue === args.queue ? args : { ...args, queue }
  }
}

/** The arguments, safe from what the user does to the table later. */
function capture<A extends object>(args: A): A {
  if (!('arguments' in args) || args.arguments === NO_ARGUMENTS) return args
  return { ...args, arguments: copyTable(args.arguments as Table) }
}
