import { hostname } from 'node:os'
import {
  type ConfigOf,
  ConfigurationError,
  DEFAULT_QUEUE,
  isQueueName,
  type Lane,
  LANES,
  type RateLimit,
  rateLimitProblems,
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
  /** Lanes of these queues that it serves, and no others. Default all. */
  readonly lanes: readonly Lane[]
  /** Handlers that run at once. Default 50, which suits handlers that mostly wait for a chain node. */
  readonly concurrency: number
  /**
   * Messages held per broker queue, running ones included. Each lane of each queue has its own share, so that a flood on
   * one cannot take the place of another. Default 2 × concurrency.
   */
  readonly prefetch: number
  /** How long `stop` waits for handlers that run. Default 30 s. */
  readonly graceMs: number
  /** How long a handler may go on after it was aborted, before it counts as stuck or its process is killed. Default 5 s. */
  readonly stuckGraceMs: number
  /**
   * Threads and processes that run isolated tasks at once; an attempt that finds none waits in its slot. Never more than the
   * concurrency. Default: the number of processors, at least 2.
   */
  readonly maxChildren?: number
  /** Replaces a thread or process once it has run this many tasks, where a task does not say itself. Default: never. */
  readonly maxTasksPerChild?: number
  /** Replaces one that uses more bytes than this after a task, where the task does not say itself. Default: never. */
  readonly maxMemoryPerChildBytes?: number
  /** How often tasks of a queue may be started, by queue. Tasks may have limits of their own. Default: no limits. */
  readonly rateLimits: Readonly<Record<string, RateLimit>>
  /** Default 2 s. */
  readonly heartbeatMs: number
  /** Longest wait at the start for what monitors know of paused queues and cancelled tasks. Default 3 s. */
  readonly syncWaitMs: number
  /** Delay of a `Postpone` that names none. Default 5 s. */
  readonly postponeDelayMs: number
  /** Postpones of tasks that set no limit of their own; `null` means without limit. Default 15. */
  readonly maxPostpones: number | null
  /** What retry policies leave out. */
  readonly retry: RetryDefaults
  /** First step of the delay ladder; the same in every process of an installation. Default 1 s. */
  readonly smallestDelayMs: number
}

/**
 * The settings with defaults in place.
 *
 * @throws ConfigurationError `CONFIG_INVALID` with every rule that they break.
 */
export function workerConfig(given: Partial<WorkerConfig>): WorkerConfig {
  const concurrency = given.concurrency ?? 50
  const config = {
    name: `${hostname()}-${process.pid}`,
    concurrency,
    prefetch: 2 * concurrency,
    graceMs: 30_000,
    stuckGraceMs: 5_000,
    heartbeatMs: 2_000,
    syncWaitMs: 3_000,
    postponeDelayMs: 5_000,
    maxPostpones: 15,
    retry: RETRY_DEFAULTS,
    rateLimits: {},
    smallestDelayMs: SMALLEST_DELAY_MS,
    ...given,
    // A queue that is named twice is served once.
    queues: [...new Set(given.queues ?? [DEFAULT_QUEUE])],
    lanes: LANES.filter((lane) => given.lanes?.includes(lane) ?? true),
  }
  const problems = configProblems(config)
  if (problems.length === 0) return config
  throw new ConfigurationError('CONFIG_INVALID', `The worker's settings are not valid:\n${problems.join('\n')}`)
}

/** The settings that are numbers, with the least that each may be. */
const LEAST = {
  concurrency: 1,
  prefetch: 1,
  graceMs: 0,
  stuckGraceMs: 0,
  heartbeatMs: 1,
  syncWaitMs: 0,
  postponeDelayMs: 0,
  maxPostpones: 0,
  smallestDelayMs: 1,
  maxChildren: 1,
  maxTasksPerChild: 1,
  maxMemoryPerChildBytes: 1,
} as const

function configProblems(config: WorkerConfig): string[] {
  const { name, queues } = config
  const problems = queues
    .filter((queue) => !isQueueName(queue))
    .map((queue) => `  - queues holds ${JSON.stringify(queue)}; a queue name is 1 to 64 of a-z, 0-9, '_' and '-'`)
  if (queues.length === 0) problems.push('  - queues is empty; name at least one')
  if (config.lanes.length === 0) problems.push(`  - lanes is empty; name at least one of ${LANES.join(', ')}`)
  if (name === '') problems.push('  - name is empty; leave it out for <host>-<pid>')
  for (const [queue, { limit, perMs, scope }] of Object.entries(config.rateLimits)) {
    if (!isQueueName(queue)) problems.push(`  - rateLimits holds ${JSON.stringify(queue)}, which is no name of a queue`)
    const found = rateLimitProblems({ limit, per: perMs, scope })
    problems.push(...found.map((problem) => `  - rateLimits of queue ${queue}: ${problem}`))
  }
  for (const [key, from] of Object.entries(LEAST)) {
    const value = config[key as keyof typeof LEAST]
    if (value === null || value === undefined || (Number.isSafeInteger(value) && value >= from)) continue
    problems.push(`  - ${key} is ${value}; it must be a whole number from ${from} up`)
  }
  return problems
}

/** The worker's part of the settings that its process was started with. */
export function configFromSettings(settings: ConfigOf<typeof workerSettings>): WorkerConfig {
  const { workerName, prefetch, maxAttempts, retryBackoffMs, maxRetryDelayMs, ...same } = settings
  const { maxChildren, maxTasksPerChild, maxMemoryPerChildBytes } = settings
  return workerConfig({
    queues: same.queues,
    lanes: same.lanes,
    concurrency: same.concurrency,
    graceMs: same.graceMs,
    stuckGraceMs: same.stuckGraceMs,
    postponeDelayMs: same.postponeDelayMs,
    maxPostpones: same.maxPostpones,
    smallestDelayMs: same.smallestDelayMs,
    retry: { maxAttempts, baseMs: retryBackoffMs, maxDelayMs: maxRetryDelayMs },
    ...(same.rateLimits !== undefined && { rateLimits: same.rateLimits }),
    ...(workerName !== undefined && { name: workerName }),
    ...(prefetch !== undefined && { prefetch }),
    ...(maxChildren !== undefined && { maxChildren }),
    ...(maxTasksPerChild !== undefined && { maxTasksPerChild }),
    ...(maxMemoryPerChildBytes !== undefined && { maxMemoryPerChildBytes }),
  })
}
