import { v7 } from 'uuid'

import { NonRetryableError } from '../errors/blockmill-error.ts'
import { countProblems, rangeProblems, type RequestProblem } from '../range/request-rules.ts'
import { RESULT_SINKS, type ResultSinkName } from '../results/result-sink.ts'
import type { JsonObject } from '../task/json.ts'
import { isQueueName } from '../task/queue-name.ts'
import { argsProblems } from '../task/task-args.ts'
import type { RangeJobState } from './job-state.ts'

/** Batches of a job that may be queued at once, where the job does not say. */
export const DEFAULT_BATCH_WINDOW = 1_000
/** Largest window: a job's batches are looked up on the record a few times a second while they are queued. */
export const MAX_BATCH_WINDOW = 10_000
/** Most batches that a job may begin with. */
export const MAX_BATCHES = 1_000_000
/** As many attempts as a task may have by its message. */
const MAX_ATTEMPTS = 1_000_000

/** As much as the record can hold. */
const MAX_PRIORITY = 2 ** 31 - 1

/** Who asks for a range task to be run over blocks, and how. */
export interface RangeJobRequest {
  readonly chain: string
  readonly task: string
  /** First and last block, both included. */
  readonly from: number
  readonly to: number
  /** Default: none. */
  readonly args?: JsonObject | undefined
  /** Blocks of a batch. Default: the task's own, 1,000,000 where it has none. At most 1,000,000 batches. */
  readonly batchSize?: number | undefined
  /** A batch that fails is cut down to this many blocks. Default: the task's own, 1 where it has none. */
  readonly minBatch?: number | undefined
  /** Most batches that are queued at once, up to 10,000. Default 1,000; fewer where fewer keep the workers busy. */
  readonly window?: number | undefined
  /** Default: the task's own. */
  readonly queue?: string | undefined
  /** Default: the task's own; without one, batches ride the low lane. */
  readonly priority?: number | undefined
  /** Attempts of each batch. Default: the task's own. */
  readonly maxAttempts?: number | undefined
  /** Where rows are kept. Default `postgres`. */
  readonly sink?: ResultSinkName | undefined
  readonly createdBy: string
}

/** A durable request to run a range task over blocks. */
export interface RangeJob {
  /** A UUIDv7, which sorts by time. */
  readonly id: string
  readonly chain: string
  readonly task: string
  readonly from: number
  readonly to: number
  readonly args: JsonObject
  /** Null until the scheduler has taken it up, where the request left it to the task. */
  readonly batchSize: number | null
  /** Likewise. */
  readonly minBatch: number | null
  readonly window: number | null
  readonly queue: string | null
  readonly priority: number | null
  readonly maxAttempts: number | null
  readonly sink: ResultSinkName
  readonly state: RangeJobState
  /** What it waits for, or why it was paused or has failed. */
  readonly note: string | null
  readonly createdBy: string
  readonly createdAt: Date
  readonly startedAt: Date | null
  /** When it was over; null for one that was cancelled as long as its batches are being called off. */
  readonly finishedAt: Date | null
}

/** Escapes, in JSON, of what `jsonb` refuses. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i

type Field =
  | 'from'
  | 'to'
  | 'args'
  | 'batchSize'
  | 'minBatch'
  | 'window'
  | 'queue'
  | 'priority'
  | 'maxAttempts'
  | 'sink'

/** A rule that a request breaks. */
export type RangeJobProblem = RequestProblem<Field>

/** Every rule that a request breaks; empty when it is sound. Whether the task exists, and takes these arguments, its definition says. */
export function rangeJobProblems(request: Pick<RangeJobRequest, Field>): readonly RangeJobProblem[] {
  const { from, to, args = {}, batchSize, minBatch, window, queue, priority, maxAttempts, sink } = request
  const problem = (field: Field, isBroken: boolean, message: string): RangeJobProblem[] =>
    isBroken ? [{ field, message }] : []
  return [
    ...rangeProblems({ from, to }),
    ...countProblems('batchSize', batchSize, Number.MAX_SAFE_INTEGER),
    ...countProblems('minBatch', minBatch, Number.MAX_SAFE_INTEGER),
    ...batchesProblems(request),
    ...countProblems('window', window, MAX_BATCH_WINDOW),
    ...problem(
      'queue',
      queue !== undefined && !isQueueName(queue),
      `queue is ${JSON.stringify(queue)}; it must be 1 to 64 of a–z, 0–9, '_' and '-', and begin with a letter or digit`,
    ),
    ...problem(
      'priority',
      priority !== undefined && !(Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY),
      `priority is ${priority}; it must be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`,
    ),
    ...countProblems('maxAttempts', maxAttempts, MAX_ATTEMPTS),
    ...problem(
      'sink',
      sink !== undefined && !RESULT_SINKS.includes(sink),
      `sink is ${JSON.stringify(sink)}; it must be one of ${RESULT_SINKS.join(', ')}`,
    ),
    ...argsProblems(args, undefined).map((message) => ({ field: 'args' as const, message })),
    ...problem(
      'args',
      UNSTORABLE.test(JSON.stringify(args)),
      'args hold a NUL character or half of a surrogate pair; PostgreSQL cannot keep these',
    ),
  ]
}

/** Why a range cannot be cut into batches of this size; `undefined` when it can. */
export function tooManyBatches(blocks: number, batchSize: number): string | undefined {
  const batches = Math.ceil(blocks / batchSize)
  if (!(batches > MAX_BATCHES)) return undefined
  return `batchSize is ${batchSize}, which makes ${batches} batches of ${blocks} blocks; at most ${MAX_BATCHES} are allowed, so it must be at least ${Math.ceil(blocks / MAX_BATCHES)}`
}

function batchesProblems({ from, to, batchSize, minBatch }: Pick<RangeJobRequest, Field>): RangeJobProblem[] {
  if (batchSize === undefined || !(batchSize >= 1)) return []
  const tooMany = tooManyBatches(to - from + 1, batchSize)
  if (tooMany !== undefined) return [{ field: 'batchSize', message: tooMany }]
  if (minBatch === undefined || minBatch <= batchSize) return []
  return [{ field: 'minBatch', message: `minBatch is ${minBatch} and batchSize is ${batchSize}; it may not be larger` }]
}

/**
 * The job of a request, to be put on record.
 *
 * @throws NonRetryableError `RANGE_JOB_INVALID` that names every rule that the request breaks.
 */
export function createRangeJob(request: RangeJobRequest, now: Date): RangeJob {
  const problems = rangeJobProblems(request)
  if (problems.length > 0) throw invalidRangeJob(problems.map(({ message }) => message))
  const { chain, task, from, to, args = {}, sink = 'postgres', createdBy } = request
  return {
    id: v7(),
    chain,
    task,
    from,
    to,
    args,
    batchSize: request.batchSize ?? null,
    minBatch: request.minBatch ?? null,
    window: request.window ?? null,
    queue: request.queue ?? null,
    priority: request.priority ?? null,
    maxAttempts: request.maxAttempts ?? null,
    sink,
    state: 'pending',
    note: null,
    createdBy,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
  }
}

/** The error of a request that breaks rules. */
export function invalidRangeJob(problems: readonly string[]): NonRetryableError {
  return new NonRetryableError('RANGE_JOB_INVALID', `The range job cannot be started: ${problems.join('; ')}.`)
}
