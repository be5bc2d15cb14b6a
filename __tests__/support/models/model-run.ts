/**
 * Owns how steps are run on the model and on the broker side by side, and what has to agree after each of them. Knows
 * nothing of which steps there are.
 */
import { isDeepStrictEqual } from 'node:util'
import { expect } from '@jest/globals'
import { AmqpError, Client, type Message, NoRouteError, type OperationOptions } from '../../../src/index.js'
import { eventually } from '../outcome.js'
import { type Actor, type ModelBroker, Refusal } from './model-broker.js'

/** The real side of a sequence. Names of the model get a prefix that no other sequence uses. */
export class World {
  readonly clients: Readonly<Record<Actor, Client>>
  /** What steps have kept of what was handed out, by the model's numbers. */
  readonly kept = new Map<number, Message>()

  constructor(
    url: string,
    readonly prefix: string,
  ) {
    const options = { recovery: false } as const
    this.clients = { one: new Client(url, options), other: new Client(url, options) }
  }

  async connect(): Promise<void> {
    await Promise.all([this.clients.one.connect(), this.clients.other.connect()])
  }

  async close(): Promise<void> {
    await Promise.all([this.clients.one.close(), this.clients.other.close()])
  }

  /** The broker's name for one of the model. */
  full(name: string): string {
    return name === '' ? '' : this.prefix + name
  }

  /** The model's name for one of the broker. */
  short(name: string): string {
    return name.startsWith(this.prefix) ? name.slice(this.prefix.length) : name
  }
}

/** What a call came to: its value, or the name of its error and the operation that this names. */
export type Observed =
  | { readonly value: unknown }
  | { readonly error: string; readonly operation?: string | undefined }

/** What the model says about a step: one of these has to come true. */
export interface Prediction {
  readonly expected: readonly Observed[]
  run(world: World, options: OperationOptions): Promise<unknown>
}

export interface Step {
  readonly title: string
  /** What it reads or changes: steps that have none of it in common may run at once. */
  readonly touches: readonly string[]
  predict(model: ModelBroker): Prediction
}

/** A step's outcome on the model; everything that the model refuses belongs to the operation. */
export function predicted(operation: string, act: () => unknown): Observed {
  try {
    return { value: act() }
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal
    const { errorName: error, returned } = refusal
    return { error, operation, ...(returned === undefined ? {} : { returned }) }
  }
}

export async function observe(world: World, promise: Promise<unknown>): Promise<Observed> {
  try {
    return { value: await promise }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const operation = error instanceof AmqpError ? error.operation : undefined
    if (!(error instanceof NoRouteError)) return { error: error.name, operation }
    const { exchange, routingKey, body } = error.returned
    const returned = {
      exchange: world.short(exchange),
      routingKey: world.short(routingKey),
      size: body.length,
    }
    return { error: error.name, operation, ...{ returned } }
  }
}

const PATIENCE = 20_000

/** Fails where a promise does not settle: nothing may hang. */
export async function withoutHanging<T>(title: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hanging = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: ${title}`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, hanging])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a step on both sides, and compares. */
export async function take(step: Step, model: ModelBroker, world: World): Promise<void> {
  const prediction = step.predict(model)
  const observed = await withoutHanging(step.title, observe(world, prediction.run(world, {})))
  compare(step, prediction, observed)
  await withoutHanging(`counts after ${step.title}`, agreeOnCounts(model, world))
}

/** Runs steps at once; the model takes them one by one. */
export async function takeTogether(steps: readonly Step[], model: ModelBroker, world: World): Promise<void> {
  const predictions = steps.map(step => step.predict(model))
  const running = Promise.all(predictions.map(({ run }) => observe(world, run(world, {}))))
  const observed = await withoutHanging(steps.map(({ title }) => title).join(' | '), running)
  steps.forEach((step, at) => {
    compare(step, predictions[at] as Prediction, observed[at] as Observed)
  })
  await withoutHanging('counts after steps together', agreeOnCounts(model, world))
}

function compare(step: Step, { expected }: Prediction, observed: Observed): void {
  // The likeliest is told of where none comes true.
  const [likeliest] = expected
  const agrees = expected.slice(1).some(other => isDeepStrictEqual(other, observed))
  if (!agrees) expect({ step: step.title, ...observed }).toEqual({ step: step.title, ...likeliest })
}

/** What is settled, and what is published without confirms, shows in the counts when the broker has come to it. */
export async function agreeOnCounts(model: ModelBroker, world: World): Promise<void> {
  for (const [name, { owner = 'one', messages }] of model.queues) {
    let seen: unknown
    const expected = { queue: world.full(name), messageCount: messages.length, consumerCount: 0 }
    await eventually(async () => {
      const result = await world.clients[owner].queueDeclare(world.full(name), { passive: true })
      seen = result
      return result.messageCount === expected.messageCount && result.consumerCount === 0
    }, PATIENCE / 4).catch(() => expect(seen).toEqual(expected))
  }
}
