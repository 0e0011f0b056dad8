import { stateAfter, type StateMove } from './state-moves.ts'

/**
 * The states of a batch of a range job. Progress is counted from them, and from nothing else.
 *
 * | state | meaning | who moves it on |
 * | --- | --- | --- |
 * | pending | it is to be dispatched | the scheduler, to queued when the broker has confirmed its task; to cancelled with its job |
 * | queued | its task waits or runs | the scheduler, by what the record says of the task; back to pending when the task or its rows are gone |
 * | succeeded | its task has succeeded, and all rows of it are stored | nobody: final |
 * | failed | its task has failed for good, and it is not cut any smaller; or a person cancelled the task | `retry-failed`, to pending |
 * | cancelled | its job was cancelled | nobody: final |
 * | split | smaller batches have taken its place, in the same write | nobody: final |
 */
export const BATCH_STATES = ['pending', 'queued', 'succeeded', 'failed', 'cancelled', 'split'] as const
export type BatchState = (typeof BATCH_STATES)[number]

/** What moves a batch on. */
export const BATCH_MOVES = ['dispatch', 'succeed', 'fail', 'split', 'repeat', 'cancel', 'retry-failed'] as const
export type BatchMove = (typeof BATCH_MOVES)[number]

const MOVES: Readonly<Record<BatchMove, StateMove<BatchState>>> = {
  dispatch: { from: ['pending'], to: 'queued' },
  succeed: { from: ['queued'], to: 'succeeded' },
  fail: { from: ['queued'], to: 'failed' },
  split: { from: ['queued'], to: 'split' },
  repeat: { from: ['queued'], to: 'pending' },
  cancel: { from: ['pending', 'queued'], to: 'cancelled' },
  'retry-failed': { from: ['failed'], to: 'pending' },
}

/** Where a move leads to from a state; `undefined` where there is no such move. */
export function nextBatchState(state: BatchState, move: BatchMove): BatchState | undefined {
  return stateAfter(MOVES[move], state)
}

/** The states that a move starts from, and the one that it leads to. */
export function batchMove(move: BatchMove): StateMove<BatchState> {
  return MOVES[move]
}
