/**
 * Owns the part of the facade that declares and deletes exchanges, queues and bindings, and how any operation is put to
 * the session. Knows nothing of frames and sockets.
 */
import { EventEmitter } from 'node:events'
import type { ArgsOf, ReplyOf, SynchronousName } from '../codec/methods.gen.js'
import type { Reply } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { type AmqpError, ArgumentError, ResourceError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import type {
  BindOptions,
  ExchangeDeclareOptions,
  ExchangeDeleteOptions,
  MessageCountResult,
  OperationOptions,
  QueueDeclareOptions,
  QueueDeclareResult,
  QueueDeleteOptions,
  ReconnectAttempt,
  ServerInfo,
  Table,
  TopologyEntity,
} from '../options.js'
import type { OperationTask } from '../recovery/operations.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import type { TopologyRecord } from '../recovery/topology-record.js'
import type { Session } from '../session/session.js'
import { type Outcome, TicketCounter } from '../ticket.js'
import { checkOptions } from '../util/check.js'
import { copyTable } from '../util/copy-table.js'

/** What a client tells, and with what. No event has to be listened to. */
export interface ClientEvents {
  /** The connection is made. */
  connect: [info: ServerInfo]
  /** The connection is lost. */
  disconnect: [error: AmqpError]
  /** The client tries to connect anew, after a delay. */
  reconnecting: [attempt: ReconnectAttempt]
  /** The connection is there again, with topology and consumers. */
  recovered: [info: ServerInfo]
  /** What recovery could not bring back, for example a queue that exists with other options by now. */
  topologyError: [entity: TopologyEntity, error: AmqpError]
  /** A queue that the broker had named has got another name in recovery; bindings and consumers follow. */
  queueRenamed: [from: string, to: string]
  /** The broker takes no messages for now (RabbitMQ, "Blocked Connection Notifications"); publishes wait. */
  blocked: [reason: string]
  /** The broker takes messages again. */
  unblocked: []
  /** The client has come to its end, whatever the cause. */
  close: []
}

const NO_ARGUMENTS: Table = Object.freeze({})

export abstract class Topology extends EventEmitter<ClientEvents> {
  /** @internal */
  protected readonly counter = new TicketCounter()

  /**
   * Declares an exchange (AMQP 0-9-1, `exchange.declare`).
   *
   * @throws {@link PreconditionFailedError} where it exists with other options, {@link NotFoundError} where it is to
   *   exist (`passive`) and does not, {@link AccessRefusedError} for a reserved name,
   *   {@link CommandInvalidError} for an unknown type, which ends the connection
   */
  exchangeDeclare(exchange: string, options: ExchangeDeclareOptions = {}): Promise<void> {
    const {
      type = 'direct',
      durable = true,
      autoDelete = false,
      internal = false,
      passive = false,
    } = options ?? {}
    const request = {
      exchange,
      type,
      passive,
      durable,
      autoDelete,
      internal,
      arguments: options?.arguments ?? NO_ARGUMENTS,
      noWait: false,
    }
    return this.#call('exchangeDeclare', options, 'exchange.declare', request, (_, kept) =>
      this.record.exchangeDeclared(kept),
    )
  }

  /**
   * Deletes an exchange, and the bindings from and to it (AMQP 0-9-1, `exchange.delete`). One that does not exist is no
   * error.
   *
   * @throws {@link PreconditionFailedError} where it has bindings and `ifUnused` was asked for
   */
  exchangeDelete(exchange: string, options: ExchangeDeleteOptions = {}): Promise<void> {
    const { ifUnused = false } = options ?? {}
    const request = { exchange, ifUnused, noWait: false }
    return this.#call('exchangeDelete', options, 'exchange.delete', request, () =>
      this.link.exchangeDeleted(exchange),
    )
  }

  /**
   * Binds an exchange to another one: what `source` gets and the routing key matches goes to `destination`, too
   * (RabbitMQ, "Exchange to Exchange Bindings").
   *
   * @throws {@link NotFoundError} where one of them does not exist
   */
  exchangeBind(
    destination: string,
    source: string,
    routingKey = '',
    options: BindOptions = {},
  ): Promise<void> {
    const request = {
      destination,
      source,
      routingKey,
      noWait: false,
      arguments: options?.arguments ?? NO_ARGUMENTS,
    }
    return this.#call('exchangeBind', options, 'exchange.bind', request, (_, kept) =>
      this.record.exchangeBound(kept),
    )
  }

  /**
   * Removes a binding between exchanges; it is named by all that it was made with. One that does not exist is no error.
   *
   * @throws {@link NotFoundError} where one of the exchanges does not exist (before RabbitMQ 3.2)
   */
  exchangeUnbind(
    destination: string,
    source: string,
    routingKey = '',
    options: BindOptions = {},
  ): Promise<void> {
    const request = {
      destination,
      source,
      routingKey,
      noWait: false,
      arguments: options?.arguments ?? NO_ARGUMENTS,
    }
    return this.#call('exchangeUnbind', options, 'exchange.unbind', request, (_, kept) =>
      this.record.exchangeUnbound(kept),
    )
  }

  /**
   * Declares a queue (AMQP 0-9-1, `queue.declare`); `''` lets the broker choose a name.
   *
   * @throws {@link PreconditionFailedError} where it exists with other options, {@link NotFoundError} where it is to
   *   exist (`passive`) and does not, {@link ResourceLockedError} where it is exclusive to another connection,
   *   {@link AccessRefusedError} for a reserved name
   */
  queueDeclare(queue = '', options: QueueDeclareOptions = {}): Promise<QueueDeclareResult> {
    const { exclusive = false, autoDelete = false, passive = false } = options ?? {}
    const durable = options?.durable ?? !exclusive
    const request = {
      queue,
      passive,
      durable,
      exclusive,
      autoDelete,
      arguments: options?.arguments ?? NO_ARGUMENTS,
      noWait: false,
    }
    // A queue that the broker names would come twice; an exclusive one is gone with the connection.
    const repeatable = queue !== '' || exclusive
    return this.#call(
      'queueDeclare',
      options,
      'queue.declare',
      request,
      ({ args }, kept) => {
        this.record.queueDeclared(kept, args.queue)
        return args
      },
      repeatable,
    )
  }

  /**
   * Deletes a queue with all that is in it (AMQP 0-9-1, `queue.delete`). One that does not exist is no error.
   *
   * @throws {@link PreconditionFailedError} where it has consumers and `ifUnused`, or messages and `ifEmpty`, was asked
   *   for
   */
  queueDelete(queue: string, options: QueueDeleteOptions = {}): Promise<MessageCountResult> {
    const { ifUnused = false, ifEmpty = false } = options ?? {}
    const request = { queue, ifUnused, ifEmpty, noWait: false }
    return this.#call('queueDelete', options, 'queue.delete', request, ({ args }, kept) => {
      this.record.queueDeleted(kept.queue)
      return args
    })
  }

  /**
   * Drops the messages of a queue that are ready (AMQP 0-9-1, `queue.purge`); those delivered and not settled stay.
   *
   * @throws {@link NotFoundError} for a queue that does not exist
   */
  queuePurge(queue: string, options: OperationOptions = {}): Promise<MessageCountResult> {
    const request = { queue, noWait: false }
    return this.#call('queuePurge', options, 'queue.purge', request, reply => reply.args)
  }

  /**
   * Binds a queue to an exchange (AMQP 0-9-1, `queue.bind`): what the exchange gets and the routing key matches goes to
   * the queue.
   *
   * @throws {@link NotFoundError} where the queue or the exchange does not exist
   */
  queueBind(queue: string, exchange: string, routingKey = '', options: BindOptions = {}): Promise<void> {
    const request = {
      queue,
      exchange,
      routingKey,
      noWait: false,
      arguments: options?.arguments ?? NO_ARGUMENTS,
    }
    return this.#call('queueBind', options, 'queue.bind', request, (_, kept) => this.record.queueBound(kept))
  }

  /**
   * Removes a binding; it is named by all that it was made with (AMQP 0-9-1, `queue.unbind`). One that does not exist
   * is no error.
   */
  queueUnbind(queue: string, exchange: string, routingKey = '', options: BindOptions = {}): Promise<void> {
    const request = { queue, exchange, routingKey, arguments: options?.arguments ?? NO_ARGUMENTS }
    return this.#call('queueUnbind', options, 'queue.unbind', request, (_, kept) =>
      this.record.queueUnbound(kept),
    )
  }

  /** @internal */
  protected abstract readonly link: RecoveringConnection

  /** What this client has declared. */
  protected get record(): TopologyRecord {
    return this.link.record
  }

  /** Begins an operation; what goes wrong at once rejects, too. */
  protected perform<T>(
    operation: string,
    options: OperationOptions,
    prepare: () => OperationTask<T>,
  ): Promise<T> {
    try {
      checkOptions(operation, options)
      return this.link.perform(operation, options, prepare())
    } catch (error) {
      return Promise.reject(this.named(operation, error))
    }
  }

  /** Tells an event; what a listener throws is the listener's own affair, not the connection's. */
  protected tell<K extends keyof ClientEvents>(event: K, ...args: ClientEvents[K]): void {
    queueMicrotask(() => (this as EventEmitter).emit(event, ...args))
  }

  /** Puts the operation's name to errors that arose from its arguments. */
  protected named(operation: string, error: unknown, ticket?: number): unknown {
    if (!(error instanceof ArgumentError || error instanceof ResourceError)) return error
    return error.operation === undefined ? withContext(error, { operation, ticket }) : error
  }

  #call<N extends SynchronousName, T>(
    operation: string,
    options: OperationOptions,
    name: N,
    args: ArgsOf<N>,
    result: (reply: ReplyOf<N>, kept: ArgsOf<N>) => T,
    repeatable = true,
  ): Promise<T> {
    return this.perform(operation, options, () => {
      const request = encodeRequest(name, args, this.link.frameMax)
      const kept = keep(args)
      const begin = (session: Session, outcome: Outcome<T>): void => {
        const present = this.#withPresentName(kept)
        // The channel lets no other reply pass than the request's own.
        const take = ({ method }: Reply): T => result(method as ReplyOf<N>, present)
        session.call(
          outcome,
          present === kept ? request : encodeRequest(name, present, session.frameMax),
          take,
        )
      }
      return { repeatable, begin }
    })
  }

  /** A queue that the broker named goes by another name after each recovery. */
  #withPresentName<A extends object>(args: A): A {
    if (!('queue' in args) || typeof args.queue !== 'string') return args
    const queue = this.record.nameOf(args.queue)
    return queue === args.queue ? args : { ...args, queue }
  }
}

/** What a request was made with, safe from what the user does to the table of arguments later. */
function keep<A extends object>(args: A): A {
  if (!('arguments' in args) || args.arguments === NO_ARGUMENTS) return args
  return { ...args, arguments: copyTable(args.arguments as Table) }
}
