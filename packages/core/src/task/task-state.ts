/**
 * The states of a task, in the order in which one attempt passes through them.
 *
 * | state | meaning | who moves it on |
 * | --- | --- | --- |
 * | scheduled | the broker confirmed its message; it waits in a queue | a worker that takes it |
 * | running | a worker executes it | that worker; the broker when the worker dies |
 * | retrying | an attempt failed; it waits in a delay queue for the next | the broker, when the delay is over |
 * | postponed | the handler asked for later; it waits in a delay queue | the broker, when the delay is over |
 * | cancelled | a person or the handler called it off | nobody: final |
 * | orphaned | a reorganisation removed its block from the chain | nobody: final |
 * | failed | its attempts are used up, or its error is not to be retried | nobody, unless it is replayed: final |
 * | dead | it could not be executed at all: poison, unknown, or over the delivery limit | nobody, unless it is replayed: final |
 * | succeeded | a handler returned | nobody: final |
 */
export const TASK_STATES = [
  'scheduled',
  'running',
  'retrying',
  'postponed',
  'cancelled',
  'orphaned',
  'failed',
  'dead',
  'succeeded',
] as const
export type TaskState = (typeof TASK_STATES)[number]

/** States that a task does not leave by itself. */
export const FINAL_STATES = [
  'cancelled',
  'orphaned',
  'failed',
  'dead',
  'succeeded',
] as const satisfies readonly TaskState[]
export type FinalState = (typeof FINAL_STATES)[number]

export function isFinal(state: TaskState): state is FinalState {
  return (FINAL_STATES as readonly TaskState[]).includes(state)
}

/** Where a state may lead to within one generation; the record never moves otherwise. */
export const TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
  scheduled: ['running', 'retrying', 'postponed', ...FINAL_STATES],
  running: ['retrying', 'postponed', ...FINAL_STATES],
  retrying: ['running', 'retrying', 'postponed', ...FINAL_STATES],
  postponed: ['running', 'retrying', 'postponed', ...FINAL_STATES],
  cancelled: ['succeeded'],
  orphaned: ['succeeded'],
  failed: ['succeeded'],
  dead: ['succeeded'],
  succeeded: [],
}

/** How far a task has come. Progress is totally ordered, so that events may arrive in any order and any number of times. */
export interface TaskProgress {
  /** Which deliberate run this is: 0 as planned, the time of a replay or forced re-run in Unix milliseconds otherwise. */
  readonly generation: number
  readonly attempt: number
  readonly postpones: number
  readonly state: TaskState
}

const RANK: Readonly<Record<TaskState, number>> = {
  scheduled: 0,
  running: 1,
  postponed: 2,
  retrying: 3,
  cancelled: 4,
  orphaned: 5,
  failed: 6,
  dead: 7,
  succeeded: 8,
}

/** Order of a state within one attempt. */
export function stateRank(state: TaskState): number {
  return RANK[state]
}

/**
 * Negative when `a` is behind `b`. A later generation is ahead of everything; within one, a success is final whatever a
 * second delivery of the same task does; otherwise attempt, postpones and the rank of the state decide, in this order.
 */
export function compareProgress(a: TaskProgress, b: TaskProgress): number {
  return (
    a.generation - b.generation ||
    Number(a.state === 'succeeded') - Number(b.state === 'succeeded') ||
    a.attempt - b.attempt ||
    a.postpones - b.postpones ||
    RANK[a.state] - RANK[b.state]
  )
}
