import { describe, expect, it } from 'vitest'

import { BATCH_MOVES, BATCH_STATES, nextBatchState } from './batch-state.ts'
import { isRangeJobOver, nextRangeJobState, RANGE_JOB_MOVES, RANGE_JOB_STATES } from './job-state.ts'

function table<State extends string, Move extends string>(
  states: readonly State[],
  moves: readonly Move[],
  next: (state: State, move: Move) => State | undefined,
): unknown {
  return Object.fromEntries(
    states.map((state) => [
      state,
      Object.fromEntries(moves.map((move) => [move, next(state, move)]).filter(([, to]) => to !== undefined)),
    ]),
  )
}

describe('a range job', () => {
  it('moves only as the table says', () => {
    expect(table(RANGE_JOB_STATES, RANGE_JOB_MOVES, nextRangeJobState)).toEqual({
      pending: { pause: 'paused', cancel: 'cancelled', start: 'running' },
      running: { pause: 'paused', cancel: 'cancelled', complete: 'completed', fail: 'completed_with_failures' },
      paused: { resume: 'pending', cancel: 'cancelled' },
      completed_with_failures: { 'retry-failed': 'pending' },
      completed: {},
      cancelled: {},
    })
  })

  it('is over in the states out of which nothing more comes by itself', () => {
    expect(RANGE_JOB_STATES.filter(isRangeJobOver)).toEqual(['completed', 'completed_with_failures', 'cancelled'])
  })
})

describe('a batch', () => {
  it('moves only as the table says', () => {
    expect(table(BATCH_STATES, BATCH_MOVES, nextBatchState)).toEqual({
      pending: { dispatch: 'queued', cancel: 'cancelled' },
      queued: { succeed: 'succeeded', fail: 'failed', split: 'split', repeat: 'pending', cancel: 'cancelled' },
      failed: { 'retry-failed': 'pending' },
      succeeded: {},
      cancelled: {},
      split: {},
    })
  })
})
