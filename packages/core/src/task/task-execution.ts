import { inspect } from 'node:util'

import { TASK_CHAIN_KINDS, type TaskChainKind } from '../chain/chain-access.ts'
import { ConfigurationError } from '../errors/blockmill-error.ts'
import { byteSize } from './byte-size.ts'
import { type Duration, durationMs } from './duration.ts'
import { type Isolation, type IsolationOptions, isolationProblems } from './isolation.ts'
import { findNonJson } from './json.ts'
import { assertQueueName, DEFAULT_QUEUE } from './queue-name.ts'
import { type RateLimit, rateLimit, type RateLimitOptions, rateLimitProblems } from './rate-limit.ts'
import { retentionProblems, type RetentionOptions, type TaskRetention, taskRetention } from './retention.ts'
import { type RetryPolicy, retryPolicyProblems } from './retry-policy.ts'
import type { ArgsSchema } from './task-args.ts'

/** Longest timeout of one attempt: a week, far below the 24 days at which timers overflow. */
const MAX_TIMEOUT_MS = 7 * 24 * 60 * 60 * 1_000

/** What a definition of any kind says about how its tasks are executed. */
export interface ExecutionOptions<Kind extends TaskChainKind = TaskChainKind>
  extends IsolationOptions, RetentionOptions {
  /** Unique in the tasks package; 1–128 of letters, digits, `.`, `_`, `-`. */
  readonly name: string
  /** Checks arguments when the task is defined and when a message arrives: TypeBox or any Standard Schema. */
  readonly schema?: ArgsSchema
  /** Default `default`. */
  readonly queue?: string
  /**
   * Which kind of chain it is for, and so what its `chain` is. With `any` it runs on every kind, and looks at `chain.kind` when it
   * reads the chain. On a chain of another kind, a task is left out.
   */
  readonly chainKind?: Kind
  /** Chains it is for; default all of its kind. */
  readonly chains?: readonly string[]
  readonly retry?: RetryPolicy
  /** How often it may postpone itself; `null` means without limit. Default: the worker's, 15. */
  readonly maxPostpones?: number | null
  /** Longest time of one attempt. Default: none. */
  readonly timeout?: Duration
  /** How often it may be started, by each worker or by all together. Default: no limit. */
  readonly rateLimit?: RateLimitOptions
}

/** The part of a checked definition that says how its tasks are executed. */
export interface ExecutionDefinition {
  readonly name: string
  readonly schema?: ArgsSchema
  readonly queue: string
  readonly chainKind: TaskChainKind
  readonly chains?: readonly string[]
  readonly retry: RetryPolicy
  readonly maxPostpones?: number | null
  readonly timeoutMs?: number
  readonly rateLimit?: RateLimit
  readonly isolation: Isolation
  readonly maxTasksPerChild?: number
  readonly maxMemoryPerChildBytes?: number
  /** For how long its tasks are kept after their end, where it says so. */
  readonly retention?: TaskRetention
}

/** The execution that options ask for, with its defaults in place. */
export function executionOf(options: ExecutionOptions, defaultChainKind: TaskChainKind): ExecutionDefinition {
  const retention = taskRetention(options)
  return {
    name: options.name,
    ...(options.schema !== undefined && { schema: options.schema }),
    queue: options.queue ?? DEFAULT_QUEUE,
    chainKind: options.chainKind ?? defaultChainKind,
    ...(options.chains !== undefined && { chains: options.chains }),
    retry: options.retry ?? {},
    ...(options.maxPostpones !== undefined && { maxPostpones: options.maxPostpones }),
    ...(options.timeout !== undefined && { timeoutMs: durationMs(options.timeout, 'timeout') }),
    ...(options.rateLimit !== undefined && { rateLimit: rateLimit(options.rateLimit) }),
    isolation: options.isolation ?? 'none',
    ...(options.maxTasksPerChild !== undefined && { maxTasksPerChild: options.maxTasksPerChild }),
    ...(options.maxMemoryPerChild !== undefined && {
      maxMemoryPerChildBytes: byteSize(options.maxMemoryPerChild, 'maxMemoryPerChild'),
    }),
    ...(retention !== undefined && { retention }),
  }
}

const TASK_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** What every definition has that is made from options: a name, a handler, a priority. */
interface DefinedOptions extends ExecutionOptions {
  readonly priority?: number
  readonly run: unknown
}

/** Every rule of execution, name and handler that options break, each as a sentence that names the value. */
export function executionProblems(options: DefinedOptions): string[] {
  return [
    ...rule(
      typeof options.name === 'string' && TASK_NAME.test(options.name),
      `name is ${show(options.name)}; it must be 1 to 128 of letters, digits, '.', '_' and '-'`,
    ),
    ...rule(typeof options.run === 'function', `run is ${show(options.run)}; it must be a function`),
    ...caught(() => assertQueueName(options.queue ?? DEFAULT_QUEUE, 'queue')),
    ...rule(
      options.priority === undefined || Number.isSafeInteger(options.priority),
      `priority is ${options.priority}; it must be a whole number`,
    ),
    ...rule(
      options.chainKind === undefined || TASK_CHAIN_KINDS.includes(options.chainKind),
      `chainKind is ${show(options.chainKind)}; it must be one of ${TASK_CHAIN_KINDS.join(', ')}`,
    ),
    ...rule(
      options.chains === undefined || (isListOfTexts(options.chains) && options.chains.length > 0),
      `chains is ${show(options.chains)}; it must be a list of at least one chain (leave it out for all)`,
    ),
    ...retentionProblems(options),
    ...whole('maxPostpones', options.maxPostpones ?? undefined, 0, Number.MAX_SAFE_INTEGER),
    ...(options.timeout === undefined ? [] : timeoutProblems(options.timeout)),
    ...(options.rateLimit === undefined ? [] : limitProblems(options.rateLimit)),
    ...isolationProblems(options),
    ...retryPolicyProblems(options.retry ?? {}),
  ]
}

/** @throws ConfigurationError `TASK_DEFINITION_INVALID` listing the problems, when there are some. */
export function assertSound(name: unknown, problems: readonly string[]): void {
  if (problems.length === 0) return
  throw new ConfigurationError(
    'TASK_DEFINITION_INVALID',
    `Task ${JSON.stringify(name)} is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
  )
}

/** The problem, unless the rule holds. */
export function rule(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}

/** The problem of a setting that is there and no whole number in the range. */
export function whole(key: string, value: number | undefined, minimum: number, maximum: number): string[] {
  const holds = value === undefined || (Number.isSafeInteger(value) && value >= minimum && value <= maximum)
  return rule(holds, `${key} is ${value}; it must be a whole number from ${minimum} to ${maximum}`)
}

/** The message of what a check throws, as a problem. */
export function caught(check: () => unknown): string[] {
  try {
    check()
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}

/** A value as the reader wrote it: JSON where there is any. */
export function show(value: unknown): string {
  return findNonJson(value) === undefined ? JSON.stringify(value) : inspect(value, { depth: 1 })
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '')
}

function timeoutProblems(timeout: Duration): string[] {
  return caught(() => {
    const timeoutMs = durationMs(timeout, 'timeout')
    if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return
    throw new ConfigurationError(
      'TASK_DEFINITION_INVALID',
      `timeout is ${show(timeout)}; it must be from 1ms to 7d (leave it out for no timeout)`,
    )
  })
}

function limitProblems(limit: RateLimitOptions): string[] {
  if (typeof limit === 'object' && limit !== null) return rateLimitProblems(limit)
  return [`rateLimit is ${show(limit)}; it must look like { limit: 10, per: '1s' } (leave it out for no limit)`]
}
