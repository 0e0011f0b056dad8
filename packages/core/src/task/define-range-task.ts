import type { TaskChainKind } from '../chain/chain-access.ts'
import type { BlockRange } from '../range/block-range.ts'
import type { TaskContext } from './define-task.ts'
import type { Json, JsonObject } from './json.ts'
import type { ArgsOf, ArgsSchema } from './task-args.ts'
import {
  assertSound,
  type ExecutionDefinition,
  executionOf,
  type ExecutionOptions,
  executionProblems,
  rule,
  whole,
} from './task-execution.ts'

/** Blocks of a batch where neither job nor task says otherwise. */
export const DEFAULT_BATCH_SIZE = 1_000_000

/** What the handler of a batch is given. */
export interface RangeTaskContext<Args, Kind extends TaskChainKind = 'any'> extends Omit<
  TaskContext<Args, Kind>,
  'block'
> {
  /** The blocks of the batch, both ends included. */
  readonly range: BlockRange
  /**
   * Gives rows to the result of the job, in the order of their blocks. A row is a JSON object of at most 1 MiB. Await it: it
   * resolves when there is room for more, so that memory stays bounded however many rows there are.
   */
  readonly emit: (rows: readonly JsonObject[]) => Promise<void>
  /**
   * Keeps what was emitted so far. A later attempt, or the same one after a postpone, is given `cursor` and goes on from there. Rows
   * that were emitted after the last checkpoint of an attempt that failed do not count.
   */
  readonly checkpoint: (cursor: Json) => Promise<void>
  /** What the last checkpoint was given; `undefined` at the beginning of the batch. */
  readonly cursor: Json | undefined
  /**
   * Takes one more permit of the task's `rateLimit`, for a handler that makes several requests: the start has taken the first. Rejects
   * when the signal aborts. Without a limit it resolves at once.
   */
  readonly throttle: () => Promise<void>
}

/** What is given to `defineRangeTask`. */
export interface RangeTaskOptions<
  Args extends JsonObject,
  Result,
  Kind extends TaskChainKind = 'any',
> extends ExecutionOptions<Kind> {
  /** Default: batches ride the low lane. With a priority they ride its lane: below 10 high, 10 normal, above 10 low. */
  readonly priority?: number
  /** Default `any`: it may ask whatever it likes, and looks at `chain.kind` when it reads the chain. */
  readonly chainKind?: Kind
  /** Blocks of a batch, where the job does not say. Default 1,000,000. */
  readonly batchSize?: number
  /** A batch that fails is cut into smaller ones down to this many blocks. Default 1. */
  readonly minBatch?: number
  /** Does the work for one batch. What it returns, at most 256 KiB of JSON, is stored with the batch. */
  readonly run: (context: RangeTaskContext<Args, Kind>) => Result | Promise<Result>
}

/** A definition of tasks for the batches of range jobs. Made by `defineRangeTask`. */
export interface RangeTaskDefinition<
  Args extends JsonObject = JsonObject,
  Result = unknown,
  Kind extends TaskChainKind = 'any',
> extends ExecutionDefinition {
  readonly kind: 'range-task'
  readonly priority?: number
  readonly batchSize: number
  readonly minBatch: number
  readonly run: (context: RangeTaskContext<Args, Kind>) => Result | Promise<Result>
}

/** Any range task definition, where its types do not matter. */
export type AnyRangeTaskDefinition = RangeTaskDefinition<never, unknown, never>

/**
 * Defines a task that range jobs run over blocks of the past, batch by batch. Checks everything at once and throws before anything
 * runs.
 *
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` listing every rule that the definition breaks.
 */
export function defineRangeTask<Schema extends ArgsSchema, Result, const Kind extends TaskChainKind = 'any'>(
  options: RangeTaskOptions<ArgsOf<Schema>, Result, Kind> & { readonly schema: Schema },
): RangeTaskDefinition<ArgsOf<Schema>, Result, Kind>
export function defineRangeTask<
  Args extends JsonObject = JsonObject,
  Result = unknown,
  const Kind extends TaskChainKind = 'any',
>(
  // With a schema it is the schema that says what arguments are.
  options: RangeTaskOptions<Args, Result, Kind> & { readonly schema?: never },
): RangeTaskDefinition<Args, Result, Kind>
export function defineRangeTask<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  options: RangeTaskOptions<Args, Result, Kind>,
): RangeTaskDefinition<Args, Result, Kind> {
  assertSound(options.name, [...executionProblems(options), ...batchProblems(options)])
  return {
    kind: 'range-task',
    ...executionOf(options, 'any'),
    ...(options.priority !== undefined && { priority: options.priority }),
    batchSize: options.batchSize ?? Math.max(DEFAULT_BATCH_SIZE, options.minBatch ?? 1),
    minBatch: options.minBatch ?? 1,
    run: options.run,
  }
}

/** True for what `defineRangeTask` returned, also when another copy of this package made it. */
export function isRangeTaskDefinition(value: unknown): value is AnyRangeTaskDefinition {
  return (
    typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'range-task' && 'run' in value
  )
}

function batchProblems({ batchSize, minBatch }: { readonly batchSize?: number; readonly minBatch?: number }): string[] {
  const problems = [
    ...whole('batchSize', batchSize, 1, Number.MAX_SAFE_INTEGER),
    ...whole('minBatch', minBatch, 1, Number.MAX_SAFE_INTEGER),
  ]
  if (problems.length > 0 || batchSize === undefined || minBatch === undefined) return problems
  return rule(minBatch <= batchSize, `minBatch is ${minBatch} and batchSize is ${batchSize}; it may not be larger`)
}
