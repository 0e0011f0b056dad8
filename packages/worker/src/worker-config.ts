import { hostname } from 'node:os'
import {
  type ConfigOf,
  RETRY_DEFAULTS,
  type RetryDefaults,
  SMALLEST_DELAY_MS,
  type workerSettings,
} from '@blockmill/core'

/** Settings of a worker. What is left out takes its default. */
export interface WorkerConfig {
  /** Names the worker in events, heartbeats and the dashboard; unique. Default `<host>-<pid>`. */
  readonly name: string
  /** Logical queues that it serves, and no others. Default `default`. */
  readonly queues: readonly string[]
  /** Handlers that run at once. Default 50, which suits handlers that mostly wait for a chain node. */
  readonly concurrency: number
  /**
   * Messages held per broker queue, running ones included. Each lane of each queue has its own share, so that a flood on
   * one cannot take the place of another. Default 2 × concurrency.
   */
  readonly prefetch: number
  /** How long `stop` waits for handlers that run. Default 30 s. */
  readonly graceMs: number
  /** How long a handler may go on after its timeout before it counts as stuck. Default 5 s. */
  readonly stuckGraceMs: number
  /** Default 2 s. */
  readonly heartbeatMs: number
  /** Delay of a `Postpone` that names none. Default 5 s. */
  readonly postponeDelayMs: number
  /** Postpones of tasks that set no limit of their own; `null` means without limit. Default 15. */
  readonly maxPostpones: number | null
  /** What retry policies leave out. */
  readonly retry: RetryDefaults
  /** First step of the delay ladder; the same in every process of an installation. Default 1 s. */
  readonly smallestDelayMs: number
}

/** The settings with defaults in place. */
export function workerConfig(given: Partial<WorkerConfig>): WorkerConfig {
  const concurrency = given.concurrency ?? 50
  return {
    name: `${hostname()}-${process.pid}`,
    queues: ['default'],
    concurrency,
    prefetch: 2 * concurrency,
    graceMs: 30_000,
    stuckGraceMs: 5_000,
    heartbeatMs: 2_000,
    postponeDelayMs: 5_000,
    maxPostpones: 15,
    retry: RETRY_DEFAULTS,
    smallestDelayMs: SMALLEST_DELAY_MS,
    ...given,
  }
}

/** The worker's part of the settings that its process was started with. */
export function configFromSettings(settings: ConfigOf<typeof workerSettings>): WorkerConfig {
  const { workerName, prefetch, maxAttempts, retryBackoffMs, maxRetryDelayMs, ...same } = settings
  return workerConfig({
    queues: same.queues,
    concurrency: same.concurrency,
    graceMs: same.graceMs,
    stuckGraceMs: same.stuckGraceMs,
    postponeDelayMs: same.postponeDelayMs,
    maxPostpones: same.maxPostpones,
    smallestDelayMs: same.smallestDelayMs,
    retry: { maxAttempts, baseMs: retryBackoffMs, maxDelayMs: maxRetryDelayMs },
    ...(workerName !== undefined && { name: workerName }),
    ...(prefetch !== undefined && { prefetch }),
  })
}
