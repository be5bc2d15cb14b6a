/** Covers the foresight of what may bring a publishing channel down. */
import { describe, expect, test } from '@jest/globals'
import { PublishRisks, type Risky } from '../../../src/publishing/publish-risk.js'

const SAFE = 16_777_216

function to(exchange: string, { userId, maxSize = 0 }: Partial<Risky> = {}): Risky {
  return { exchange, userId, maxSize }
}

const large = (maxSize: number): Partial<Risky> => ({ maxSize })

/** Takes a message for proven; there has to be something to prove. */
function prove(risks: PublishRisks, message: Risky): void {
  const risk = risks.riskOf(message)
  expect(risk).toBeDefined()
  risks.markProven(risk as string)
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

  test('beyond the size that every broker takes is a risk, until one as large was taken', () => {
    const risks = new PublishRisks()
    expect(risks.riskOf(to('', large(SAFE)))).toBeUndefined()
    prove(risks, to('', large(SAFE + 10)))
    expect(risks.riskOf(to('', large(SAFE + 10)))).toBeUndefined()
    expect(risks.riskOf(to('', large(SAFE + 11)))).toBeDefined()
  })

  test('to any of very many exchanges costs a bounded memory: the oldest proofs are asked for again', () => {
    const risks = new PublishRisks()
    for (let index = 0; index <= 4096; index++) prove(risks, to(`e${index}`))
    expect(risks.riskOf(to('e0'))).toBeDefined()
    expect(risks.riskOf(to('e4096'))).toBeUndefined()
  })
})
