/**
 * Owns random steps that declare, delete, purge and bind, and those that give such an operation up. Knows nothing of
 * how steps are run.
 */
import fc from 'fast-check'
import type { Client, OperationOptions } from '../../../src/index.js'
import { actor, bindingKey, exchangeName, queueName, rarely } from './model-arbitraries.js'
import { type Actor, ModelBroker } from './model-broker.js'
import { predicted, type Step, type World } from './model-run.js'

/** A step of one call, whose outcome is certain. */
function callStep<A extends { readonly actor: Actor }>(
  operation: string,
  args: A,
  touches: readonly string[],
  act: (model: ModelBroker) => unknown,
  call: (client: Client, world: World, options: OperationOptions) => Promise<unknown>,
): Step {
  return {
    title: `${operation}(${JSON.stringify(args)})`,
    touches,
    predict: model => ({
      expected: [predicted(operation, () => act(model))],
      run: (world, options) => call(world.clients[args.actor], world, options),
    }),
  }
}

const flags = { actor, passive: rarely }

const exchangeDeclare = fc
  .record({
    ...flags,
    name: exchangeName,
    type: fc.constantFrom('direct' as const, 'fanout' as const),
    internal: rarely,
  })
  .map(args => {
    const { name, type, internal, passive } = args
    return callStep(
      'exchangeDeclare',
      args,
      [name],
      model => model.exchangeDeclare(name, { type, internal }, passive),
      (client, world, options) =>
        client.exchangeDeclare(world.full(name), { type, internal, passive, ...options }),
    )
  })

const exchangeDelete = fc.record({ actor, name: exchangeName, ifUnused: fc.boolean() }).map(args => {
  const { name, ifUnused } = args
  return callStep(
    'exchangeDelete',
    args,
    [name, 'bindings'],
    model => model.exchangeDelete(args.actor, name, ifUnused),
    (client, world, options) => client.exchangeDelete(world.full(name), { ifUnused, ...options }),
  )
})

const queueDeclare = fc
  .record({ ...flags, name: queueName, exclusive: rarely, limited: rarely })
  .map(args => {
    const { name, passive, exclusive } = args
    const limit = args.limited ? 2 : undefined
    const limits = limit === undefined ? {} : { 'x-max-length': limit, 'x-overflow': 'reject-publish' }
    return callStep(
      'queueDeclare',
      args,
      [name],
      model => ({
        queue: name,
        messageCount: passive
          ? model.count(args.actor, name)
          : model.queueDeclare(args.actor, name, exclusive, limit),
        consumerCount: 0,
      }),
      async (client, world, options) => {
        const wanted = { passive, exclusive, arguments: limits, ...options }
        const result = await client.queueDeclare(world.full(name), wanted)
        return { ...result, queue: world.short(result.queue) }
      },
    )
  })

/** Changes nothing. */
export const ask: fc.Arbitrary<Step> = fc.record({ actor, name: queueName }).map(args => {
  return callStep(
    'queueDeclare',
    args,
    [args.name],
    model => model.count(args.actor, args.name),
    async (client, world, options) => {
      const { messageCount } = await client.queueDeclare(world.full(args.name), { passive: true, ...options })
      return messageCount
    },
  )
})

const queueDelete = fc
  .record({ actor, name: queueName, ifEmpty: fc.boolean(), ifUnused: fc.boolean() })
  .map(args => {
    const { name, ifEmpty, ifUnused } = args
    return callStep(
      'queueDelete',
      args,
      [name, 'bindings'],
      model => ({ messageCount: model.queueDelete(args.actor, name, ifEmpty) }),
      (client, world, options) => client.queueDelete(world.full(name), { ifEmpty, ifUnused, ...options }),
    )
  })

const queuePurge = fc.record({ actor, name: queueName }).map(args =>
  callStep(
    'queuePurge',
    args,
    [args.name],
    model => ({ messageCount: model.queuePurge(args.actor, args.name) }),
    (client, world, options) => client.queuePurge(world.full(args.name), options),
  ),
)

const source = fc.oneof({ arbitrary: exchangeName, weight: 12 }, { arbitrary: fc.constant(''), weight: 1 })

/** A step of one of the four methods that bind and unbind. */
function bindingStep(
  method: 'queueBind' | 'queueUnbind' | 'exchangeBind' | 'exchangeUnbind',
): fc.Arbitrary<Step> {
  const kind = method.startsWith('queue') ? 'queue' : 'exchange'
  const change = method.endsWith('Unbind') ? 'unbind' : 'bind'
  const destination = kind === 'queue' ? queueName : exchangeName
  return fc.record({ actor, destination, source, key: bindingKey }).map(args =>
    callStep(
      method,
      args,
      [args.destination, args.source, 'bindings'],
      model => model[change](args.actor, kind, args.destination, args.source, args.key),
      (client, world, options) =>
        client[method](world.full(args.destination), world.full(args.source), args.key, options),
    ),
  )
}

/** Steps that touch little: many of them can run at once. */
export const declareOrDelete: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: exchangeDeclare, weight: 5 },
  { arbitrary: queueDeclare, weight: 6 },
  { arbitrary: queueDelete, weight: 2 },
  { arbitrary: exchangeDelete, weight: 1 },
  { arbitrary: queuePurge, weight: 1 },
)

export const bindOrUnbind: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: bindingStep('queueBind'), weight: 6 },
  { arbitrary: bindingStep('queueUnbind'), weight: 2 },
  { arbitrary: bindingStep('exchangeBind'), weight: 3 },
  { arbitrary: bindingStep('exchangeUnbind'), weight: 1 },
)

const REASON = Object.assign(new Error('no longer wanted'), { name: 'NoLongerWanted' })

/**
 * The step given up before it begins, or in the tick in which it has begun. Nothing comes of the former; of the latter,
 * nothing comes where it is a publish, and anything else may have left already.
 */
export const givenUp = (steps: fc.Arbitrary<Step>, when: 'before' | 'at once'): fc.Arbitrary<Step> =>
  steps.map(step => ({
    title: `${step.title} aborted ${when}`,
    touches: step.touches,
    predict: () => ({
      expected: [{ error: REASON.name }],
      run: world => {
        const controller = new AbortController()
        if (when === 'before') controller.abort(REASON)
        const promise = step.predict(new ModelBroker()).run(world, { signal: controller.signal })
        controller.abort(REASON)
        return promise
      },
    }),
  }))
