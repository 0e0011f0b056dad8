import type { ChainAccess, TaskChainKind } from '../chain/chain-access.ts'
import type { Head } from '../chain/chain-source.ts'
import { HEADS } from '../chain/chain-source.ts'
import type { Enqueue } from '../client/client.ts'
import type { Logger } from '../observability/logger.ts'
import { type Condition, everyBlock } from './condition.ts'
import type { JsonObject } from './json.ts'
import { assertQueueName, DEFAULT_QUEUE } from './queue-name.ts'
import { argsProblems, type ArgsOf, type ArgsSchema } from './task-args.ts'
import {
  assertSound,
  caught,
  type ExecutionDefinition,
  executionOf,
  type ExecutionOptions,
  executionProblems,
  rule,
  show,
  whole,
} from './task-execution.ts'

/** A result may not exceed this many bytes of JSON: 256 KiB. */
export const MAX_RESULT_BYTES = 256 * 1024
/** Most blocks that one back-fill message may carry. */
export const MAX_CHUNK = 500

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
> extends ExecutionOptions<Kind> {
  /** Which blocks it runs for. Default: every block. */
  readonly condition?: Condition<Args, Kind>
  /** Default: one run without arguments. */
  readonly args?: TaskArgs<Args>
  /** Lower goes first; default 10. Below 10 rides the high lane, above 10 the low one. */
  readonly priority?: number
  /** Default `finalized`. */
  readonly head?: Head
  /** Default `substrate`. */
  readonly chainKind?: Kind
  /**
   * First block that it runs for, in place of where the scheduler starts. A lower one than before is filled in; a higher one
   * changes nothing for arguments that have run already.
   */
  readonly startBlock?: number
  readonly backfill?: BackfillOptions
  /** Does the work. What it returns is stored with the task; what it throws decides what happens next. */
  readonly run: (context: TaskContext<Args, Kind>) => Result | Promise<Result>
}

/** A task definition, checked and with its defaults in place. Made by `defineTask`. */
export interface TaskDefinition<
  Args extends JsonObject = JsonObject,
  Result = unknown,
  Kind extends TaskChainKind = 'substrate',
> extends ExecutionDefinition {
  readonly kind: 'task'
  readonly condition: Condition<Args, Kind>
  readonly args: TaskArgs<Args>
  readonly priority: number
  readonly head: Head
  readonly startBlock?: number
  readonly backfill: { readonly lookback: number; readonly queue: string; readonly chunk: number }
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
  assertSound(options.name, taskProblems(options))
  const execution = executionOf(options, 'substrate')
  return {
    kind: 'task',
    ...execution,
    condition: options.condition ?? everyBlock,
    // Without arguments there is one run, with the empty object for what it is given.
    args: options.args ?? [{} as Args],
    priority: options.priority ?? 10,
    head: options.head ?? 'finalized',
    ...(options.startBlock !== undefined && { startBlock: options.startBlock }),
    backfill: {
      lookback: options.backfill?.lookback ?? 0,
      queue: options.backfill?.queue ?? execution.queue,
      chunk: options.backfill?.chunk ?? 1,
    },
    run: options.run,
  }
}

/** True for what `defineTask` returned, also when another copy of this package made it. */
export function isTaskDefinition(value: unknown): value is AnyTaskDefinition {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'task' && 'run' in value
}

function taskProblems<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  options: TaskOptions<Args, Result, Kind>,
): string[] {
  const { backfill = {} } = options
  return [
    ...executionProblems(options),
    ...rule(
      options.condition === undefined || typeof options.condition === 'function',
      `condition is ${show(options.condition)}; it must be a function of (block, args)`,
    ),
    ...caught(() => assertQueueName(backfill.queue ?? DEFAULT_QUEUE, 'backfill.queue')),
    ...rule(
      options.head === undefined || HEADS.includes(options.head),
      `head is ${show(options.head)}; it must be one of ${HEADS.join(', ')}`,
    ),
    ...whole('startBlock', options.startBlock, 0, Number.MAX_SAFE_INTEGER),
    ...whole('backfill.lookback', backfill.lookback, 0, Number.MAX_SAFE_INTEGER),
    ...whole('backfill.chunk', backfill.chunk, 1, MAX_CHUNK),
    ...(Array.isArray(options.args)
      ? options.args.flatMap((args: unknown, index) => argsProblems(args, options.schema, `args[${index}]`))
      : []),
    ...rule(
      options.args === undefined || Array.isArray(options.args) || typeof options.args === 'function',
      `args is ${show(options.args)}; it must be a list or a function that returns one`,
    ),
  ]
}
