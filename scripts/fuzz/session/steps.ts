/** Owns how conversations are made up, and changed: mostly sensible ones, with a fault here and there. */
import { content, frames } from '../grammar.js'
import { mutateBytes } from '../mutation.js'
import { formatBytes, parseBytes } from '../notation.js'
import type { Random } from '../random.js'
import { oddCall } from './arguments.js'

type Maker = (random: Random) => string

const QUEUES = ['q', 'q', 'q', 'r', 'empty', 'missing']
const KEYS = ['q', 'q', 'nowhere', 'nack']
const OPTIONS = ['separate', 'heartbeat', 'offline-fail', 'few', 'few-channels', 'small-frames']
const LIMITS = ['abortable', 'timeout']
const ABOUT = ['basic.publish', 'queue.declare', 'basic.get', 'basic.consume', 'connection.open', '']
const LONGEST = 60

const some = (random: Random, words: readonly string[], percent = 20): string =>
  words
    .filter(() => random.chance(percent))
    .map(word => ` ${word}`)
    .join('')
const queue = (random: Random): string => random.pick(QUEUES)
const limits = (random: Random): string => some(random, LIMITS, 8)

const operations: readonly Maker[] = [
  random => `queue ${queue(random)}${some(random, ['passive', 'exclusive'])}${limits(random)}`,
  random => `exchange ${random.pick(['e', 'missing'])}${limits(random)}`,
  random => `bind ${queue(random)} e${limits(random)}`,
  random => `unbind ${queue(random)} e${limits(random)}`,
  random => `link e ${random.pick(['f', 'missing'])}${limits(random)}`,
  random => `purge ${queue(random)}${limits(random)}`,
  random => `delete ${queue(random)}${limits(random)}`,
  random => `get ${queue(random)}${some(random, ['noAck'])}${limits(random)}`,
  random => `get ${queue(random)}${some(random, ['noAck'])}${limits(random)}`,
]
const publishes: readonly Maker[] = [
  random =>
    `publish ${random.pick(['-', '-', 'e', 'missing'])} ${random.pick(KEYS)} ${random.pick([1, 1, 100, 5000, 140_000])}` +
    `${some(random, ['mandatory', 'unconfirmed', 'once'], 25)}${limits(random)}`,
  random => `load ${random.below(8)} ${random.pick(KEYS)}${some(random, ['tolerant', 'abortable'])}`,
]
const consuming: readonly Maker[] = [
  random =>
    `consume ${queue(random)} ${random.pick([0, 0, 1, 5])}` +
    some(random, ['noAck', 'exclusive', 'end', 'requeue', 'each', 'leave', 'abortable'], 15),
  random => `deliver ${random.below(3)} ${random.pick([0, 5, 100, 5000, 20_000])}`,
  random => `deliver ${random.below(3)} ${random.pick([0, 5, 100, 5000, 20_000])}`,
  random => `deliver ${random.below(3)} 5`,
  random => random.pick(['ack', 'ack', 'ack-all', 'nack', 'reject']),
  random => random.pick(['ack', 'pause 0', 'resume 0']),
  random => `qos ${random.below(2)} ${random.below(4)}`,
  random => `cancel ${random.below(2)}`,
]
const others: readonly Maker[] = [
  () => 'secret',
  oddCall,
  () => 'abort',
  () => 'look',
  random => `wait ${random.pick([1, 20, 150, 1100, 5000, 40_000])}`,
  random => `wait ${random.pick([1, 20, 150, 1100, 5000, 40_000])}`,
  random => random.pick(['blocked', 'unblocked']),
  random => `broker-cancel ${random.below(2)}`,
  random => random.pick(['drain', 'close', 'connect']),
  random => random.pick(['congest', 'uncongest']),
]
const faults: readonly Maker[] = [
  random => random.pick(['pass', 'pass', 'drop', 'twice', 'swap', 'hold', 'twice']),
  () => 'release',
  random => `cut ${random.below(30)}`,
  random => `hang-up-after ${random.below(30)}`,
  random => `flip ${random.below(40)} ${1 << random.below(8)}`,
  random => `channel ${random.pick([0, 1, 2, 3, 4, 5, 9])}`,
  random => `replay ${1 + random.below(4)}`,
  random => `raw ${formatBytes(Buffer.concat(frames(random.below(6), random)).subarray(0, 3000))}`,
  random => `raw ${formatBytes(Buffer.concat(content(3 + random.below(3), random)).subarray(0, 3000))}`,
  random => random.pick(['hang-up', 'hang-up error']),
  random => random.pick(['mute', 'unmute']),
  random => random.pick(['hasty', 'hasty', 'break', 'restless']),
  random =>
    `close-channel ${random.below(7)} ${random.pick([404, 406, 403, 0, 541])} ${random.pick(ABOUT)}`.trim(),
  random => `close-connection ${random.pick([320, 541, 505, 501, 200, 0, 404])} ${random.pick(ABOUT)}`.trim(),
]

function oneStep(random: Random, faulty: number): string {
  const kinds = [operations, publishes, publishes, consuming, consuming, others]
  return random.pick(random.chance(faulty) ? faults : random.pick(kinds))(random)
}

/** A conversation: options, the handshake, some steps with turns of the event loop between most of them. */
export function conversation(random: Random): string[] {
  const faulty = random.pick([3, 10, 25])
  const steps = [`options${some(random, ['recovery'], 50)}${some(random, OPTIONS, 20)}`]
  if (random.chance(20)) steps.push(`chunk ${random.pick([1, 3, 7, 100])}`)
  while (random.chance(faulty)) steps.push(oneStep(random, 100))
  steps.push('connect')
  if (random.chance(90)) steps.push('turn')
  for (let count = 2 + random.below(25); count > 0; count--) {
    steps.push(oneStep(random, faulty))
    if (random.chance(60)) steps.push('turn')
  }
  return steps
}

/** The conversation with a step more, less, twice, at another place, or changed. */
export function changed(input: readonly string[], random: Random): string[] {
  const steps = [...input]
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(steps.length)
    const step = steps[at] ?? 'turn'
    switch (random.below(6)) {
      case 0:
        steps.splice(at, 1)
        break
      case 1:
        steps.splice(at, 0, step)
        break
      case 2:
        steps.splice(random.below(steps.length + 1), 0, ...steps.splice(at, 1))
        break
      case 3:
        if (step.startsWith('raw '))
          steps[at] = `raw ${formatBytes(mutateBytes(parseBytes(step.slice(4)), random))}`
        else steps[at] = oneStep(random, 30)
        break
      default:
        steps.splice(at, 0, oneStep(random, 40))
    }
  }
  return steps.slice(0, LONGEST)
}
