/**
 * Owns the way from a host's name to a socket: every address of the name is tried, until one of them answers (RFC 8305,
 * "Happy Eyeballs"). An attempt that is slow goes on while the next one begins, so that neither a dead address costs the
 * time of the others, nor a slow one is lost. Knows nothing of what a socket carries.
 */
import dns, { type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { onAbort } from '../util/abort.js'

/** So long an attempt is waited for before the next one begins beside it, in milliseconds (RFC 8305, section 5). */
const HEAD_START = 250
/** So long, at most, an attempt that is connected has to finish what else it needs. */
const LONGEST_PART = 5000

/** An attempt to connect to one address. */
export interface Attempt<T extends Socket> {
  readonly socket: T
  /** The event of the socket that means success. */
  readonly success: 'connect' | 'secureConnect'
}

export interface DialPlan<A extends Attempt<Socket>> {
  readonly host: string
  /** How names are looked up, and which addresses count. @default Node's own way, 0 */
  readonly lookup?: LookupFunction | undefined
  readonly family?: number | undefined
  readonly hints?: number | undefined
  /** How long all attempts together may take, in milliseconds. */
  readonly time: number
  readonly signal: AbortSignal
  /** The signal ends it: what became of the attempts until then, in words. */
  onGivenUp?: ((sofar: string) => void) | undefined
  /** Begins an attempt. */
  open(address: string, family: number): A
}

/**
 * Resolves with the first attempt that succeeds; all others are dropped. Rejects with the error of the only address, or
 * an AggregateError with that of each, or with the error of the look-up, or with the reason of the signal.
 */
export async function dial<A extends Attempt<Socket>>(plan: DialPlan<A>): Promise<A> {
  plan.signal.throwIfAborted()
  const family = isIP(plan.host)
  if (family !== 0) return race([{ address: plan.host, family }], plan)
  return race(interleaved(await addressesOf(plan)), plan)
}

function addressesOf({
  host,
  lookup,
  family,
  hints,
  signal,
  onGivenUp,
}: DialPlan<Attempt<Socket>>): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    const stopWatching = onAbort(signal, () => {
      onGivenUp?.(`looking up ${host} has not come to an end`)
      reject(signal.reason)
    })
    // Looked up anew each time: programs put a cache in its place.
    const ask = lookup ?? (dns.lookup as LookupFunction)
    const options = { all: true, family: family ?? 0, hints: hints ?? 0 }
    try {
      ask(host, options, (error, found, foundFamily) => {
        stopWatching()
        if (error) return reject(error)
        // Some look-ups give one address, whatever they are asked for.
        const list = Array.isArray(found) ? found : [{ address: found, family: foundFamily ?? isIP(found) }]
        const usable = list.filter(({ address }) => isIP(address) !== 0)
        if (usable.length > 0) resolve(usable)
        else reject(Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND', hostname: host }))
      })
    } catch (error) {
      stopWatching()
      reject(error)
    }
  })
}

/** Each address once; the families by turns, beginning with that of the first. */
function interleaved(addresses: readonly LookupAddress[]): LookupAddress[] {
  const unique = [...new Map(addresses.map(one => [one.address, one])).values()]
  const [first] = unique
  const preferred = unique.filter(({ family }) => family === first?.family)
  const others = unique.filter(({ family }) => family !== first?.family)
  return preferred
    .flatMap((one, at) => [one, ...others.slice(at, at + 1)])
    .concat(others.slice(preferred.length))
}

function race<A extends Attempt<Socket>>(
  addresses: readonly LookupAddress[],
  { time, signal, open, onGivenUp }: DialPlan<A>,
): Promise<A> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const waiting = [...addresses]
    const running = new Map<A, string>()
    const errors: Error[] = []
    let timer: NodeJS.Timeout | undefined
    // All have begun before half of the time is over, and one that is connected has its part to finish.
    const headStart = Math.min(HEAD_START, time / 2 / addresses.length)
    const part = Math.min(Math.max(headStart, time / (addresses.length + 1)), LONGEST_PART)

    const finish = (outcome: () => void): void => {
      clearTimeout(timer)
      stopWatching()
      outcome()
      for (const { socket } of running.keys()) socket.destroy()
      running.clear()
    }
    const failed = (error: Error): void => {
      errors.push(error)
      if (waiting.length > 0) next()
      else if (running.size === 0) finish(() => reject(combined(errors)))
    }
    const nextAfter = (delay: number): void => {
      clearTimeout(timer)
      if (waiting.length > 0) timer = setTimeout(next, delay)
    }
    const next = (): void => {
      const target = waiting.shift()
      if (target === undefined) return
      nextAfter(headStart)
      let attempt: A
      try {
        attempt = open(target.address, target.family)
      } catch (error) {
        failed(error as Error)
        return
      }
      const { socket, success } = attempt
      running.set(attempt, target.address)
      // It stays: a socket that is dropped may fail late.
      socket.on('error', error => {
        if (running.delete(attempt)) failed(error)
      })
      if (success !== 'connect') socket.once('connect', () => running.has(attempt) && nextAfter(part))
      socket.once(success, () => {
        if (running.delete(attempt)) finish(() => resolve(attempt))
      })
      // A socket that closes without either has been closed by the peer.
      socket.once('close', () => {
        if (running.delete(attempt)) failed(new Error(`${target.address} hung up`))
      })
    }
    const stopWatching = onAbort(signal, () => {
      const silent = [...running.values(), ...waiting.map(({ address }) => address)]
      onGivenUp?.([...errors.map(({ message }) => message), `no answer from ${silent.join(', ')}`].join(', '))
      finish(() => reject(signal.reason))
    })
    next()
  })
}

/** As Node has it where several addresses fail: an error without a message of its own. */
function combined(errors: readonly Error[]): Error {
  const [only] = errors
  if (errors.length === 1 && only !== undefined) return only
  return Object.assign(new AggregateError(errors, ''), { code: (only as NodeJS.ErrnoException).code })
}
