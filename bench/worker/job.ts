/** Owns what a worker is asked to do, and what it answers: both travel as JSON. */
import type { Extras } from '../null-peer/options.js'

export const CLIENTS = ['puka', 'amqplib', 'rabbitmq-client', 'cloudamqp', 'raw'] as const
export type ClientName = (typeof CLIENTS)[number]
/** Those that ours is compared with. */
export const PEERS = ['amqplib', 'rabbitmq-client', 'cloudamqp'] as const

export const WORKLOADS = [
  'publish',
  'confirm',
  'one-by-one',
  'consume',
  'consume-read',
  'consume-ack',
  'for-each',
  'request',
  'declares',
] as const
export type Workload = (typeof WORKLOADS)[number]

/** How long each phase lasts: until one of the limits is reached. */
export interface PhaseLimits {
  /** Milliseconds of CPU time. */
  readonly cpu: number
  /** Milliseconds. */
  readonly wall: number
  readonly count: number
}

export interface Job {
  readonly client: ClientName
  readonly workload: Workload
  readonly url: string
  /** Where the build of this package is, as a file URL. */
  readonly library: string
  readonly queue: string
  readonly body: number
  readonly extras: Extras
  readonly warmUp: PhaseLimits
  readonly measure: PhaseLimits
  readonly allocation: PhaseLimits
}

export interface Latency {
  /** Microseconds. */
  readonly p50: number
  readonly p99: number
}

export interface Figures {
  readonly messages: number
  /** Messages per second. */
  readonly rate: number
  /** Microseconds of CPU time per message, user and system. */
  readonly cpu: number
  /** Bytes: the most that was resident at any time. */
  readonly peakRss: number
  /** Bytes allocated on the JavaScript heap per message. */
  readonly allocated: number
  readonly latency?: Latency
  /** All messages of the process: to hold against what the null peer has counted. */
  readonly total: number
}
