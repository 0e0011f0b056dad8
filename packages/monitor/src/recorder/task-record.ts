import { compareProgress, type Cause, type Lane, type TaskProgress } from '@blockmill/core'

/** How a task was scheduled. Times are Unix milliseconds. */
export interface Schedule {
  /** Which generation was scheduled so, or when it was moved to this queue since then. */
  readonly generation: number
  readonly queue: string
  readonly lane: Lane
  readonly priority: number
  readonly cause: Cause
  readonly maxAttempts: number
  readonly scheduledAt: number
  readonly notBefore: number | null
  readonly expiresAt: number | null
  readonly rootId: string | null
  readonly parentId: string | null
}

/** What a task is for, as its message says it. */
export interface Unit {
  readonly blockHash: string | null
  readonly rangeFrom: number | null
  readonly rangeTo: number | null
  /** JSON. */
  readonly args: string
  readonly argsHash: string
}

/** How far a task has come, and what came of it. */
export interface State extends TaskProgress {
  /** When it came into this state. */
  readonly changedAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly nextAttemptAt: number | null
  readonly worker: string | null
  /** JSON. */
  readonly result: string | null
  /** JSON. */
  readonly error: string | null
  readonly reason: string | null
}

/** What a running handler last reported of its own progress. */
export interface Progress {
  readonly done: number
  readonly total: number | null
  readonly at: number
}

/** What messages say about one task. Null is what they do not say. */
export interface TaskRecord {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly block: number | null
  readonly unit: Unit | null
  readonly schedule: Schedule | null
  readonly state: State
  readonly progress: Progress | null
}

/**
 * What two records of one task say together. Associative, commutative and idempotent, so that messages may come in any
 * order, any number of times, and in any batches. `upsertTasks` says the same in SQL.
 *
 * - The state that is further decides: `compareProgress`, and between equals `compareEquals`.
 * - The first scheduling counts: what is scheduled again after a crash has waited since then.
 * - A later generation starts afresh: progress of an earlier one does not belong to it, and the schedule of an earlier one
 *   counts only until its own is known. A task that is orphaned has none of its own, and keeps that which it had.
 */
export function mergeTasks(a: TaskRecord, b: TaskRecord): TaskRecord {
  const [ahead, behind] = compareStates(a.state, b.state) >= 0 ? [a, b] : [b, a]
  const sameGeneration = a.state.generation === b.state.generation
  return {
    id: a.id,
    chain: a.chain,
    name: a.name,
    block: a.block ?? b.block,
    unit: a.unit ?? b.unit,
    state: ahead.state,
    schedule: firstScheduled(ahead.schedule, behind.schedule),
    progress: sameGeneration ? lastReported(ahead.progress, behind.progress) : ahead.progress,
  }
}

/** Negative when `a` is behind `b`. Zero only for what is the same. */
export function compareStates(a: State, b: State): number {
  return compareProgress(a, b) || compareEquals(a, b)
}

/**
 * Order of two runs that came equally far, as happens when a message is delivered twice. Of two that run, the later counts:
 * the first has lost its worker. Of two that ended, the first.
 */
function compareEquals(a: State, b: State): number {
  const later = a.changedAt - b.changedAt
  return (a.state === 'running' ? later : -later) || compareTexts(a.worker ?? '', b.worker ?? '')
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** The first scheduling of the latest generation. */
function firstScheduled(a: Schedule | null, b: Schedule | null): Schedule | null {
  if (a === null || b === null) return a ?? b
  if (a.generation !== b.generation) return a.generation > b.generation ? a : b
  return a.scheduledAt <= b.scheduledAt ? a : b
}

function lastReported(a: Progress | null, b: Progress | null): Progress | null {
  if (a === null || b === null) return a ?? b
  return a.at >= b.at ? a : b
}
