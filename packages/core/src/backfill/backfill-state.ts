import { stateAfter, type StateMove } from '../job/state-moves.ts'

/**
 * The states of a back-fill job.
 *
 * | state | meaning | who moves it on |
 * | --- | --- | --- |
 * | pending | it waits for the scheduler that leads its chain | that scheduler, to running; a person, to paused or cancelled |
 * | running | its blocks are being scheduled | the scheduler, to completed or failed; a person, to paused or cancelled |
 * | paused | nothing more is scheduled until somebody resumes it | a person, to pending or cancelled |
 * | completed | each of its blocks was evaluated, and the broker has confirmed the tasks | nobody: final |
 * | failed | the condition failed for some blocks again and again; all others are done | a person, to pending: it tries those again |
 * | cancelled | a person called it off | nobody: final |
 *
 * Pausing and cancelling stop what is scheduled, not what is queued: tasks that the broker has run on.
 */
export const BACKFILL_STATES = ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const
export type BackfillState = (typeof BACKFILL_STATES)[number]

/** What moves a job from one state to the next: three orders of people, three steps of the scheduler. */
export const BACKFILL_MOVES = ['pause', 'resume', 'cancel', 'start', 'complete', 'fail'] as const
export type BackfillMove = (typeof BACKFILL_MOVES)[number]

const MOVES: Readonly<Record<BackfillMove, StateMove<BackfillState>>> = {
  pause: { from: ['pending', 'running'], to: 'paused' },
  resume: { from: ['paused', 'failed'], to: 'pending' },
  cancel: { from: ['pending', 'running', 'paused'], to: 'cancelled' },
  start: { from: ['pending'], to: 'running' },
  complete: { from: ['running'], to: 'completed' },
  fail: { from: ['running'], to: 'failed' },
}

/** Where a move leads to from a state; `undefined` where there is no such move. */
export function nextBackfillState(state: BackfillState, move: BackfillMove): BackfillState | undefined {
  return stateAfter(MOVES[move], state)
}

/** The states that a move starts from, and the one that it leads to. */
export function backfillMove(move: BackfillMove): StateMove<BackfillState> {
  return MOVES[move]
}

/** True when the scheduler has nothing to do for the job, and nobody has to resume it. */
export function isBackfillOver(state: BackfillState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled'
}
