import { v7 } from 'uuid'

import type { Head } from '../chain/chain-source.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { countProblems, rangeProblems, type RequestProblem } from '../range/request-rules.ts'
import { MAX_CHUNK } from '../task/define-task.ts'
import type { JsonObject } from '../task/json.ts'
import { argsProblems } from '../task/task-args.ts'
import type { BackfillState } from './backfill-state.ts'

/** Outstanding tasks per queue of a job that sets no window. */
export const DEFAULT_BACKFILL_WINDOW = 10_000
/** Largest window: what a broker can hold without trouble. */
const MAX_WINDOW = 1_000_000
/** Highest rate, in tasks a second: above what any system here reaches. */
const MAX_RATE = 1_000_000

/** Who asks for blocks to be filled in, and which. */
export interface BackfillRequest {
  readonly chain: string
  readonly task: string
  /** The head that the task follows. */
  readonly head: Head
  /** First and last block, both included. */
  readonly from: number
  readonly to: number
  /** One set of arguments. Default: all sets that the task has or has had. */
  readonly args?: JsonObject | undefined
  /** Blocks in one message, 1–500. Default: the task's own. */
  readonly chunk?: number | undefined
  /** Most tasks of its queue that may wait at the broker. Default 10,000. */
  readonly window?: number | undefined
  /** Most tasks scheduled in a second. Default: no limit. */
  readonly rate?: number | undefined
  /** Also schedules blocks that were evaluated before, as runs of their own. Default false. */
  readonly force?: boolean | undefined
  readonly createdBy: string
}

/** A durable request to fill in past blocks. */
export interface BackfillJob {
  /** A UUIDv7, which sorts by time. */
  readonly id: string
  readonly chain: string
  readonly task: string
  readonly head: Head
  readonly from: number
  readonly to: number
  readonly args: JsonObject | null
  readonly chunk: number | null
  readonly window: number | null
  readonly rate: number | null
  readonly force: boolean
  /** Of its tasks: the time of its creation when it is forced, so that its runs come after those on record; else 0. */
  readonly generation: number
  readonly state: BackfillState
  readonly createdBy: string
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  /** Why it failed, or what it waits for. */
  readonly error: string | null
}

/** A rule that a request breaks. */
export type BackfillProblem = RequestProblem<'from' | 'to' | 'args' | 'chunk' | 'window' | 'rate'>

/** Every rule that a request breaks; empty when it is sound. */
export function backfillProblems({
  from,
  to,
  args,
  chunk,
  window,
  rate,
}: Pick<BackfillRequest, BackfillProblem['field']>): readonly BackfillProblem[] {
  return [
    ...rangeProblems({ from, to }),
    ...countProblems('chunk', chunk, MAX_CHUNK),
    ...countProblems('window', window, MAX_WINDOW),
    ...(rate === undefined || (rate > 0 && rate <= MAX_RATE)
      ? []
      : [
          {
            field: 'rate' as const,
            message: `rate is ${rate}; it must be above 0 and at most ${MAX_RATE} tasks a second`,
          },
        ]),
    ...(args === undefined ? [] : argsProblems(args, undefined)).map((message) => ({
      field: 'args' as const,
      message,
    })),
  ]
}

/**
 * The job of a request, to be put on record.
 *
 * @throws NonRetryableError `BACKFILL_INVALID` that names every rule that the request breaks.
 */
export function createBackfillJob(request: BackfillRequest, now: Date): BackfillJob {
  const problems = backfillProblems(request)
  if (problems.length > 0) {
    const list = problems.map(({ message }) => message).join('; ')
    throw new NonRetryableError('BACKFILL_INVALID', `The back-fill cannot be started: ${list}.`)
  }
  const { chain, task, head, from, to, args, chunk, window, rate, force = false, createdBy } = request
  return {
    id: v7(),
    chain,
    task,
    head,
    from,
    to,
    args: args ?? null,
    chunk: chunk ?? null,
    window: window ?? null,
    rate: rate ?? null,
    force,
    generation: force ? now.getTime() : 0,
    state: 'pending',
    createdBy,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    error: null,
  }
}
