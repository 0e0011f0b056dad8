import { stateAfter, type StateMove } from './state-moves.ts'

/**
 * The states of a range job.
 *
 * | state | meaning | who moves it on |
 * | --- | --- | --- |
 * | pending | it waits for the scheduler that leads its chain | that scheduler, to running; a person, to paused or cancelled |
 * | running | its batches are dispatched, and their outcomes collected | the scheduler, to completed, completed_with_failures or paused; a person, to paused or cancelled |
 * | paused | no batch is dispatched; those that are queued run on, and their outcomes count | a person, to pending or cancelled |
 * | completed | every batch has succeeded, and all of its rows are stored | nobody: final |
 * | completed_with_failures | every batch has ended, and some have failed: their blocks are missing | a person, to pending: the failed ones run anew |
 * | cancelled | a person called it off; what is queued is called off as well | nobody: final |
 *
 * The scheduler pauses a job by itself when one batch after another fails; its note says so.
 */
export const RANGE_JOB_STATES = [
  'pending',
  'running',
  'paused',
  'completed',
  'completed_with_failures',
  'cancelled',
] as const
export type RangeJobState = (typeof RANGE_JOB_STATES)[number]

/** What moves a job on: four orders of people, and three steps of the scheduler. */
export const RANGE_JOB_MOVES = ['pause', 'resume', 'cancel', 'retry-failed', 'start', 'complete', 'fail'] as const
export type RangeJobMove = (typeof RANGE_JOB_MOVES)[number]

const MOVES: Readonly<Record<RangeJobMove, StateMove<RangeJobState>>> = {
  pause: { from: ['pending', 'running'], to: 'paused' },
  resume: { from: ['paused'], to: 'pending' },
  cancel: { from: ['pending', 'running', 'paused'], to: 'cancelled' },
  'retry-failed': { from: ['completed_with_failures'], to: 'pending' },
  start: { from: ['pending'], to: 'running' },
  complete: { from: ['running'], to: 'completed' },
  fail: { from: ['running'], to: 'completed_with_failures' },
}

/** Where a move leads to from a state; `undefined` where there is no such move. */
export function nextRangeJobState(state: RangeJobState, move: RangeJobMove): RangeJobState | undefined {
  return stateAfter(MOVES[move], state)
}

/** The states that a move starts from, and the one that it leads to. */
export function rangeJobMove(move: RangeJobMove): StateMove<RangeJobState> {
  return MOVES[move]
}

/** True when nothing more comes of the job, unless somebody has its failed batches run anew. */
export function isRangeJobOver(state: RangeJobState): boolean {
  return state === 'completed' || state === 'completed_with_failures' || state === 'cancelled'
}
