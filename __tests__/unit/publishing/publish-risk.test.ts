/** Covers the foresight of what may bring a publishing channel down. */
import { describe, expect, test } from '@jest/globals'
import { PublishRisks, type Risky, SUSPICION } from '../../../src/publishing/publish-risk.js'

const SAFE = 131_072

function to(exchange: string, { userId, maxSize = 0 }: Partial<Risky> = {}): Risky {
  return { exchange, userId, maxSize, suspect: false, risk: undefined }
}

const large = (maxSize: number): Partial<Risky> => ({ maxSize })

/** Takes a message for proven; there has to be something to prove. */
function prove(risks: PublishRisks, message: Risky): void {
  message.risk = risks.riskOf(message)
  expect(message.risk).toBeDefined()
  risks.markHarmless(message)
}

describe('a publish', () => {
  test('to the default exchange is no risk', () => {
    expect(new PublishRisks().riskOf(to(''))).toBeUndefined()
  })

  test('to an exchange is a risk until one was taken', () => {
    const risks = new PublishRisks()
    prove(risks, to('e'))
    expect(risks.riskOf(to('e'))).toBeUndefined()
    expect(risks.riskOf(to('e'))).toBeUndefined()
    expect(risks.riskOf(to('f'))).toBeDefined()
  })

  test('to an exchange that failed is a risk again, and to no other', () => {
    const risks = new PublishRisks()
    prove(risks, to('e'))
    prove(risks, to('f'))
    expect(risks.riskOf(to('e'))).toBeUndefined()
    risks.forgetExchange('e')
    expect(risks.riskOf(to('f'))).toBeUndefined()
    expect(risks.riskOf(to('e'))).toBeDefined()
  })

  test('to an exchange whose name ends like one that failed is none', () => {
    const risks = new PublishRisks()
    prove(risks, to('my-e'))
    risks.forgetExchange('e')
    expect(risks.riskOf(to('my-e'))).toBeUndefined()
  })

  test('with a user id to an exchange that failed is a risk again', () => {
    const risks = new PublishRisks()
    const message = to('e', { userId: 'me' })
    prove(risks, message)
    risks.forgetExchange('e')
    expect(risks.riskOf(message)).toBeDefined()
  })

  test('with a user id is a risk for each user and exchange', () => {
    const risks = new PublishRisks()
    const of = (userId: string, exchange = '') => to(exchange, { userId })
    prove(risks, of('me'))
    expect(risks.riskOf(of('me'))).toBeUndefined()
    expect(risks.riskOf(of('you'))).toBeDefined()
    expect(risks.riskOf(of('me', 'e'))).toBeDefined()
    expect(risks.riskOf(to(''))).toBeUndefined()
  })

  test('with a user id that is no text is none: its encoding refuses it', () => {
    const userId = Symbol('me') as unknown as string
    expect(new PublishRisks().riskOf(to('', { userId }))).toBeUndefined()
  })

  test.each([
    [SAFE + 1, 2 * SAFE],
    [2 * SAFE, 2 * SAFE],
    [2 * SAFE + 1, 4 * SAFE],
    [5_000_000, 8_388_608],
  ])('of %i bytes that was taken is proof up to the next power of two: %i', (size, proven) => {
    const risks = new PublishRisks()
    expect(risks.riskOf(to('', large(SAFE)))).toBeUndefined()
    prove(risks, to('', large(size)))
    expect(risks.riskOf(to('', large(proven)))).toBeUndefined()
    expect(risks.riskOf(to('', large(proven + 1)))).toBeDefined()
  })

  test('of a smaller size is no proof against a larger one', () => {
    const risks = new PublishRisks()
    const small = to('', large(SAFE + 1))
    small.risk = risks.riskOf(small)
    prove(risks, to('', large(8 * SAFE)))
    risks.markHarmless(small)
    expect(risks.riskOf(to('', large(8 * SAFE)))).toBeUndefined()
  })

  test('that is large proves nothing of its exchange', () => {
    const risks = new PublishRisks()
    prove(risks, to('e', large(SAFE + 1)))
    prove(risks, to('e', large(SAFE + 1)))
    expect(risks.riskOf(to('e'))).toBeUndefined()
  })

  test('to any of very many exchanges costs a bounded memory: the oldest proofs are asked for again', () => {
    const risks = new PublishRisks()
    for (let index = 0; index <= 4096; index++) prove(risks, to(`e${index}`))
    expect(risks.riskOf(to('e0'))).toBeDefined()
    expect(risks.riskOf(to('e4096'))).toBeUndefined()
  })
})

describe('a suspect', () => {
  test('is a risk until it did no harm, which proves nothing of others', () => {
    const risks = new PublishRisks()
    const [one, other] = [to(''), to('')]
    risks.suspect([one, other], false)
    prove(risks, one)
    expect(risks.riskOf(one)).toBeUndefined()
    expect(risks.riskOf(other)).toBe(SUSPICION)
    expect(risks.riskOf(to(''))).toBeUndefined()
  })

  test('is named by what is not proven of it, if there is anything', () => {
    const risks = new PublishRisks()
    const suspects = [to('e'), to('', { userId: 'me' }), to('', large(SAFE + 1))]
    risks.suspect(suspects, false)
    for (const suspect of suspects) {
      prove(risks, suspect)
      expect(suspect.risk).not.toBe(SUSPICION)
      expect(risks.riskOf(suspect)).toBeUndefined()
    }
  })

  test.each([
    [1, 1],
    [2, 1],
    [256, 1],
    [257, 2],
    [512, 2],
    [1000, 4],
  ])('of %i is tried together with others, so that there are 256 trials at most: %i', (count, size) => {
    const risks = new PublishRisks()
    risks.suspect(
      Array.from({ length: count }, () => to('')),
      true,
    )
    expect(risks.trialSize).toBe(size)
  })
})
