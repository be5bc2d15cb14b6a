/**
 * Owns an exchange type of the shared broker, such as a plugin brings: it works as fanout does, or is gone, or its
 * declaration makes the broker fail or hang. What the broker answers then is its own. Knows nothing of clients.
 */
import { randomBytes } from 'node:crypto'
import { ctl } from './broker.js'

/** How the broker takes a declaration of the type. */
export type Mood = 'works' | 'gone' | 'fails' | 'hangs'

/** What checks a declaration, in Erlang. */
const CHECKS = { fails: 'exit(fails)', hangs: 'timer:sleep(600000)' }

/** What else RabbitMQ asks of a type, over all releases. */
const CALLBACKS = [
  ...['serialise_events/0', 'info/1', 'info/2', 'route/2', 'route/3', 'validate_binding/2', 'create/2'],
  ...['delete/2', 'delete/3', 'policy_changed/2', 'add_binding/3', 'remove_bindings/3'],
]

export class ExchangeType {
  readonly name = `x-puka-test-${randomBytes(6).toString('hex')}`

  /** Exchanges of it cannot be deleted while it is gone. */
  async set(mood: Mood): Promise<void> {
    if (mood === 'gone') await ctl('eval', `rabbit_registry:unregister(exchange, <<"${this.name}">>).`)
    else if (mood === 'works') await this.#register('rabbit_exchange_type_fanout')
    else await this.#registerChecked(CHECKS[mood])
  }

  async #registerChecked(check: string): Promise<void> {
    const module = this.name.replaceAll('-', '_')
    const forms = [
      `-module(${module}).`,
      '-behaviour(rabbit_exchange_type).',
      `-export([validate/1, assert_args_equivalence/2, ${CALLBACKS.join(', ')}]).`,
      // One that is there is not made again.
      `validate(_) -> ${check}.`,
      `assert_args_equivalence(_, _) -> ${check}.`,
      ...CALLBACKS.map(delegated),
    ]
    const parse = 'fun(S) -> {ok, T, _} = erl_scan:string(S), {ok, F} = erl_parse:parse_form(T), F end'
    const source = forms.map(form => JSON.stringify(form)).join(', ')
    const compile = `{ok, _, B} = compile:forms(lists:map(${parse}, [${source}]), [])`
    await this.#register(module, `${compile}, {module, _} = code:load_binary(${module}, "test", B), `)
  }

  async #register(module: string, before = ''): Promise<void> {
    await ctl('eval', `${before}ok = rabbit_registry:register(exchange, <<"${this.name}">>, ${module}).`)
  }
}

/** A function that does as fanout does, in Erlang. */
function delegated(callback: string): string {
  const [name, arity] = callback.split('/')
  const call = `${name}(${['A', 'B', 'C'].slice(0, Number(arity)).join(', ')})`
  return `${call} -> rabbit_exchange_type_fanout:${call}.`
}
