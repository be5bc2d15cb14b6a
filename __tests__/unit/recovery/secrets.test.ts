/** Covers the secrets in the place of a password: which is tried first, and what becomes of one that waits. */
import { describe, expect, jest, test } from '@jest/globals'
import {
  AccessRefusedError,
  ConnectionBrokenError,
  ConnectionForcedError,
  NotAllowedError,
} from '../../../src/errors.js'
import { isSecretRefused, Secrets } from '../../../src/recovery/secrets.js'
import { quiet } from '../../../src/util/promise.js'

const NONE: ReadonlySet<string> = new Set()
/** The method that RabbitMQ names where it refuses a secret on an open connection: connection.update-secret. */
const OVER_SECRET = { classId: 10, methodId: 70 }
const REFUSAL = new AccessRefusedError('ACCESS_REFUSED - Login was refused', { replyCode: 403 })

/** A secret that the broker has taken on an open connection. */
function given(...secrets: string[]): Secrets {
  const own = new Secrets()
  for (const secret of secrets) own.give(secret, own.nextCall())
  return own
}

describe('the order of secrets', () => {
  test('has the password alone, where there is nothing else', () => {
    expect(new Secrets().inOrder('password')).toEqual(['password'])
  })

  test('has the secret that was given last before the password', () => {
    expect(given('one', 'two').inOrder('password')).toEqual(['two', 'password'])
  })

  test('takes no notice of a call that ends after a later one', () => {
    const secrets = new Secrets()
    const [early, late] = [secrets.nextCall(), secrets.nextCall()]
    secrets.give('late', late)
    secrets.give('early', early)
    expect(secrets.inOrder('password')).toEqual(['late', 'password'])
  })

  test('has a secret last that was refused where the password was not, until it is given anew', () => {
    const secrets = given('bad')
    secrets.onLetIn('password', 'password', new Set(['bad']), REFUSAL)
    expect(secrets.inOrder('password')).toEqual(['password', 'bad'])
    secrets.give('bad', secrets.nextCall())
    expect(secrets.inOrder('password')).toEqual(['bad', 'password'])
  })

  test('has a secret that was good behind one that was given later, and before the password', () => {
    const secrets = given('first')
    secrets.onLetIn('first', 'password', NONE)
    secrets.give('second', secrets.nextCall())
    expect(secrets.inOrder('password')).toEqual(['second', 'first', 'password'])
  })

  test('has the password first when it is good again and the secret is not', () => {
    const secrets = given('first')
    secrets.onLetIn('first', 'password', NONE)
    secrets.onLetIn('password', 'password', new Set(['first']), REFUSAL)
    expect(secrets.inOrder('password')).toEqual(['password'])
  })

  test('has the one that waits before all others, and each once', () => {
    const secrets = given('given')
    void quiet(secrets.wait('waiting', 'expired', secrets.nextCall()))
    expect(secrets.inOrder('given')).toEqual(['waiting', 'given'])
  })
})

describe('a secret that waits', () => {
  test('is taken when the broker lets the user in with it, and counts from then on', async () => {
    const secrets = new Secrets()
    const taken = secrets.wait('new', 'expired', secrets.nextCall())
    secrets.onLetIn('new', 'password', NONE)
    await taken
    expect(secrets.inOrder('password')).toEqual(['new', 'password'])
  })

  test('fails with what the broker has said where it was refused and another was not', async () => {
    const secrets = new Secrets()
    const taken = quiet(secrets.wait('new', 'expired', secrets.nextCall()))
    secrets.onLetIn('password', 'password', new Set(['new']), REFUSAL)
    await expect(taken).rejects.toBe(REFUSAL)
    expect(secrets.inOrder('password')).toEqual(['password'])
  })

  test('is given to a connection that was made with another one', async () => {
    const secrets = new Secrets()
    const taken = secrets.wait('new', 'expired', secrets.nextCall())
    secrets.onLetIn('password', 'password', NONE)
    const updateSecret = jest.fn(() => Promise.resolve())
    await secrets.giveWaiting({ updateSecret })
    await taken
    await secrets.giveWaiting({ updateSecret })
    expect(updateSecret.mock.calls).toEqual([['new', 'expired']])
  })

  test('is replaced by a later one, whose end is that of both, and by no earlier one', async () => {
    const secrets = new Secrets()
    const [early, middle, late] = [secrets.nextCall(), secrets.nextCall(), secrets.nextCall()]
    const all = [
      secrets.wait('middle', 'expired', middle),
      secrets.wait('late', 'expired', late),
      secrets.wait('early', 'expired', early),
    ]
    expect(secrets.inOrder('password')).toEqual(['late', 'password'])
    secrets.onLetIn('late', 'password', NONE)
    expect(await Promise.all(all)).toHaveLength(3)
  })

  test('waits on where the connection is lost before its answer', async () => {
    const secrets = new Secrets()
    const taken = secrets.wait('new', 'expired', secrets.nextCall())
    const lost = new ConnectionBrokenError('gone')
    await secrets.giveWaiting({ updateSecret: () => Promise.reject(lost) })
    expect(secrets.inOrder('password')).toEqual(['new', 'password'])
    await secrets.giveWaiting({ updateSecret: () => Promise.resolve() })
    await taken
  })

  test('fails where the broker ends the connection over it', async () => {
    const secrets = new Secrets()
    const taken = quiet(secrets.wait('new', 'expired', secrets.nextCall()))
    const refused = new NotAllowedError('NOT_ALLOWED - new secret', { replyCode: 530, ...OVER_SECRET })
    await secrets.giveWaiting({ updateSecret: () => Promise.reject(refused) })
    await expect(taken).rejects.toBe(refused)
    expect(secrets.inOrder('password')).toEqual(['password'])
  })

  test('is left alone by the answer to the one that it has replaced', async () => {
    const secrets = new Secrets()
    const first = secrets.wait('first', 'expired', secrets.nextCall())
    let second: Promise<void> | undefined
    const updateSecret = (): Promise<void> => {
      second = secrets.wait('second', 'expired', secrets.nextCall())
      return Promise.resolve()
    }
    await secrets.giveWaiting({ updateSecret })
    expect(secrets.inOrder('password')).toEqual(['second', 'password'])
    secrets.onLetIn('second', 'password', NONE)
    await Promise.all([first, second])
  })

  test('fails with the client, where no connection follows', async () => {
    const secrets = new Secrets()
    const taken = quiet(secrets.wait('new', 'expired', secrets.nextCall()))
    const end = new ConnectionBrokenError('no connection after 3 attempts')
    secrets.fail(end)
    await expect(taken).rejects.toBe(end)
    expect(secrets.inOrder('password')).toEqual(['password'])
  })
})

test('a secret is refused by what the broker says of it, not by its shutdown or a lost connection', () => {
  const forced = new ConnectionForcedError('CONNECTION_FORCED - shutdown', { replyCode: 320 })
  const refused = new NotAllowedError('NOT_ALLOWED - new secret', { replyCode: 530, ...OVER_SECRET })
  const other = new NotAllowedError('NOT_ALLOWED - something else', { replyCode: 530 })
  const errors = [refused, other, forced, new ConnectionBrokenError('gone'), new Error('other')]
  expect(errors.map(isSecretRefused)).toEqual([true, false, false, false, false])
})
