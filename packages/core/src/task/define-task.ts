import { inspect } from 'node:util'
import { type ChainAccess, TASK_CHAIN_KINDS, type TaskChainKind } from '../chain/chain-access.ts'
import type { Head } from '../chain/chain-source.ts'
import { HEADS } from '../chain/chain-source.ts'
import type { Enqueue } from '../client/client.ts'
import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { byteSize } from './byte-size.ts'
import { type Condition, everyBlock } from './condition.ts'
import { type Duration, durationMs } from './duration.ts'
import { type Isolation, type IsolationOptions, isolationProblems } from './isolation.ts'
import { findNonJson, type JsonObject } from './json.ts'
import { assertQueueName, DEFAULT_QUEUE } from './queue-name.ts'
import { type RateLimit, rateLimit, type RateLimitOptions, rateLimitProblems } from './rate-limit.ts'
import { type RetryPolicy, retryPolicyProblems } from './retry-policy.ts'
import { type ArgsOf, argsProblems, type ArgsSchema } from './task-args.ts'

/** A result may not exceed this many bytes of JSON: 256 KiB. */
export const MAX_RESULT_BYTES = 256 * 1024
/** Most blocks that one back-fill message may carry. */
export const MAX_CHUNK = 500
/** Longest timeout of one attempt: a week, far below the 24 days at which timers overflow. */
const MAX_TIMEOUT_MS = 7 * 24 * 60 * 60 * 1_000

/** What a handler is given. */
export interface TaskContext<Args, Kind extends TaskChainKind = 'substrate'> {
  /** The block that the task is for. Reading it in a task that was enqueued without one throws and fails the task. */
  readonly block: TaskBlock
  readonly args: Args
  /** Access to the chain, of the kind that the task says it is for. */
  readonly chain: ChainAccess<Kind>
  /** Aborted at the task's timeout, when it is cancelled, and when the worker must stop. Pass it on to what waits. */
  readonly signal: AbortSignal
  /** A logger that carries task, id, attempt and block on every line. */
  readonly log: Logger
  /** Reports how far the attempt is; shown in the monitor, sent at most a few times a second. */
  readonly progress: (done: number, total?: number) => void
  /**
   * Enqueues another task, with this one as its parent. Not unique unless asked for, because workers have no database. A
   * handler that runs again enqueues again: under the same id when the other task has a block, as a further task otherwise.
   */
  readonly enqueue: Enqueue
  /** The same at every attempt and every redelivery: what to make the work idempotent with. */
  readonly taskId: string
  /** 1 for the first execution. */
  readonly attempt: number
}

/** The block of a task. */
export interface TaskBlock {
  readonly number: number
  /** Set for tasks on the `latest` head. */
  readonly hash?: string
}

/** Back-fill of one task. */
export interface BackfillOptions {
  /** How many blocks before the head are looked back at, at start and while running. Default 0: none. */
  readonly lookback?: number
  /** Queue for back-fill only; default the task's own. */
  readonly queue?: string
  /** Consecutive blocks that travel in one message, 1–500; default 1. */
  readonly chunk?: number
}

/** The arguments that a task runs with: a list, or a function that is asked anew for each batch of blocks. `[]` means no runs. */
export type TaskArgs<Args> = readonly Args[] | (() => readonly Args[] | Promise<readonly Args[]>)

/** What is given to `defineTask`. */
export interface TaskOptions<
  Args extends JsonObject,
  Result,
  Kind extends TaskChainKind = 'substrate',
> extends IsolationOptions {
  /** Unique in the tasks package; 1–128 of letters, digits, `.`, `_`, `-`. */
  readonly name: string
  /** Which blocks it runs for. Default: every block. */
  readonly condition?: Condition<Args, Kind>
  /** Default: one run without arguments. */
  readonly args?: TaskArgs<Args>
  /** Checks arguments when the task is defined and when a message arrives: TypeBox or any Standard Schema. */
  readonly schema?: ArgsSchema
  /** Default `default`. */
  readonly queue?: string
  /** Lower goes first; default 10. Below 10 rides the high lane, above 10 the low one. */
  readonly priority?: number
  /** Default `finalized`. */
  readonly head?: Head
  /**
   * Which kind of chain it is for, and so what its `chain` is; default `substrate`. With `any` it runs on every kind, and looks at
   * `chain.kind` when it reads the chain. On a chain of another kind, a task is left out.
   */
  readonly chainKind?: Kind
  /** Chains it is for; default all of its kind. */
  readonly chains?: readonly string[]
  /**
   * First block that it runs for, in place of where the scheduler starts. A lower one than before is filled in; a higher one
   * changes nothing for arguments that have run already.
   */
  readonly startBlock?: number
  readonly backfill?: BackfillOptions
  readonly retry?: RetryPolicy
  /** How often it may postpone itself; `null` means without limit. Default: the worker's, 15. */
  readonly maxPostpones?: number | null
  /** Longest time of one attempt. Default: none. */
  readonly timeout?: Duration
  /** How often it may be started, by each worker or by all together. Default: no limit. */
  readonly rateLimit?: RateLimitOptions
  /** Does the work. What it returns is stored with the task; what it throws decides what happens next. */
  readonly run: (context: TaskContext<Args, Kind>) => Result | Promise<Result>
}

/** A task definition, checked and with its defaults in place. Made by `defineTask`. */
export interface TaskDefinition<
  Args extends JsonObject = JsonObject,
  Result = unknown,
  Kind extends TaskChainKind = 'substrate',
> {
  readonly kind: 'task'
  readonly name: string
  readonly condition: Condition<Args, Kind>
  readonly args: TaskArgs<Args>
  readonly schema?: ArgsSchema
  readonly queue: string
  readonly priority: number
  readonly head: Head
  readonly chainKind: TaskChainKind
  readonly chains?: readonly string[]
  readonly startBlock?: number
  readonly backfill: { readonly lookback: number; readonly queue: string; readonly chunk: number }
  readonly retry: RetryPolicy
  readonly maxPostpones?: number | null
  readonly timeoutMs?: number
  readonly rateLimit?: RateLimit
  readonly isolation: Isolation
  readonly maxTasksPerChild?: number
  readonly maxMemoryPerChildBytes?: number
  readonly run: (context: TaskContext<Args, Kind>) => Result | Promise<Result>
}

/** Any task definition, where its types do not matter. */
// `run` and `condition` take arguments and are widest for `never`; `args` gives them and is widest for any object.
export interface AnyTaskDefinition extends Omit<TaskDefinition<never, unknown, never>, 'args'> {
  readonly args: TaskArgs<JsonObject>
}

/**
 * Defines a task. Checks everything at once and throws before anything runs.
 *
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` listing every rule that the definition breaks.
 */
export function defineTask<Schema extends ArgsSchema, Result, const Kind extends TaskChainKind = 'substrate'>(
  options: TaskOptions<ArgsOf<Schema>, Result, Kind> & { readonly schema: Schema },
): TaskDefinition<ArgsOf<Schema>, Result, Kind>
export function defineTask<
  Args extends JsonObject = Record<string, never>,
  Result = unknown,
  const Kind extends TaskChainKind = 'substrate',
>(
  // With a schema it is the schema that says what arguments are.
  options: TaskOptions<Args, Result, Kind> & { readonly schema?: never },
): TaskDefinition<Args, Result, Kind>
export function defineTask<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  options: TaskOptions<Args, Result, Kind>,
): TaskDefinition<Args, Result, Kind> {
  const problems = taskProblems(options)
  if (problems.length > 0) {
    throw new ConfigurationError(
      'TASK_DEFINITION_INVALID',
      `Task ${JSON.stringify(options.name)} is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }
  const queue = options.queue ?? DEFAULT_QUEUE
  return {
    kind: 'task',
    name: options.name,
    condition: options.condition ?? everyBlock,
    // Without arguments there is one run, with the empty object for what it is given.
    args: options.args ?? [{} as Args],
    ...(options.schema !== undefined && { schema: options.schema }),
    queue,
    priority: options.priority ?? 10,
    head: options.head ?? 'finalized',
    chainKind: options.chainKind ?? 'substrate',
    ...(options.chains !== undefined && { chains: options.chains }),
    ...(options.startBlock !== undefined && { startBlock: options.startBlock }),
    backfill: {
      lookback: options.backfill?.lookback ?? 0,
      queue: options.backfill?.queue ?? queue,
      chunk: options.backfill?.chunk ?? 1,
    },
    retry: options.retry ?? {},
    ...(options.maxPostpones !== undefined && { maxPostpones: options.maxPostpones }),
    ...(options.timeout !== undefined && { timeoutMs: durationMs(options.timeout, 'timeout') }),
    ...(options.rateLimit !== undefined && { rateLimit: rateLimit(options.rateLimit) }),
    isolation: options.isolation ?? 'none',
    ...(options.maxTasksPerChild !== undefined && { maxTasksPerChild: options.maxTasksPerChild }),
    ...(options.maxMemoryPerChild !== undefined && {
      maxMemoryPerChildBytes: byteSize(options.maxMemoryPerChild, 'maxMemoryPerChild'),
    }),
    run: options.run,
  }
}

/** True for what `defineTask` returned, also when another copy of this package made it. */
export function isTaskDefinition(value: unknown): value is AnyTaskDefinition {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'task' && 'run' in value
}

const TASK_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

function taskProblems<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  options: TaskOptions<Args, Result, Kind>,
): string[] {
  const { backfill = {} } = options
  return [
    ...rule(
      typeof options.name === 'string' && TASK_NAME.test(options.name),
      `name is ${show(options.name)}; it must be 1 to 128 of letters, digits, '.', '_' and '-'`,
    ),
    ...rule(typeof options.run === 'function', `run is ${show(options.run)}; it must be a function`),
    ...rule(
      options.condition === undefined || typeof options.condition === 'function',
      `condition is ${show(options.condition)}; it must be a function of (block, args)`,
    ),
    ...caught(() => assertQueueName(options.queue ?? DEFAULT_QUEUE, 'queue')),
    ...caught(() => assertQueueName(backfill.queue ?? DEFAULT_QUEUE, 'backfill.queue')),
    ...rule(
      options.priority === undefined || Number.isSafeInteger(options.priority),
      `priority is ${options.priority}; it must be a whole number`,
    ),
    ...rule(
      options.head === undefined || HEADS.includes(options.head),
      `head is ${show(options.head)}; it must be one of ${HEADS.join(', ')}`,
    ),
    ...rule(
      options.chainKind === undefined || TASK_CHAIN_KINDS.includes(options.chainKind),
      `chainKind is ${show(options.chainKind)}; it must be one of ${TASK_CHAIN_KINDS.join(', ')}`,
    ),
    ...rule(
      options.chains === undefined || (isListOfTexts(options.chains) && options.chains.length > 0),
      `chains is ${show(options.chains)}; it must be a list of at least one chain (leave it out for all)`,
    ),
    ...whole('startBlock', options.startBlock, 0, Number.MAX_SAFE_INTEGER),
    ...whole('backfill.lookback', backfill.lookback, 0, Number.MAX_SAFE_INTEGER),
    ...whole('backfill.chunk', backfill.chunk, 1, MAX_CHUNK),
    ...whole('maxPostpones', options.maxPostpones ?? undefined, 0, Number.MAX_SAFE_INTEGER),
    ...(options.timeout === undefined ? [] : timeoutProblems(options.timeout)),
    ...(options.rateLimit === undefined ? [] : limitProblems(options.rateLimit)),
    ...isolationProblems(options),
    ...retryPolicyProblems(options.retry ?? {}),
    ...(Array.isArray(options.args)
      ? options.args.flatMap((args: unknown, index) => argsProblems(args, options.schema, `args[${index}]`))
      : []),
    ...rule(
      options.args === undefined || Array.isArray(options.args) || typeof options.args === 'function',
      `args is ${show(options.args)}; it must be a list or a function that returns one`,
    ),
  ]
}

function rule(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '')
}

function whole(key: string, value: number | undefined, minimum: number, maximum: number): string[] {
  const holds = value === undefined || (Number.isSafeInteger(value) && value >= minimum && value <= maximum)
  return rule(holds, `${key} is ${value}; it must be a whole number from ${minimum} to ${maximum}`)
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

function caught(check: () => unknown): string[] {
  try {
    check()
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}

// JSON where there is any: it is what the reader wrote.
function show(value: unknown): string {
  return findNonJson(value) === undefined ? JSON.stringify(value) : inspect(value, { depth: 1 })
}
