import { describe, expect, it } from 'vitest'

import { BACKFILL_MOVES, BACKFILL_STATES, isBackfillOver, nextBackfillState } from './backfill-state.ts'

describe('a back-fill job', () => {
  it('moves only as the table says', () => {
    const moves = Object.fromEntries(
      BACKFILL_STATES.map((state) => [
        state,
        Object.fromEntries(
          BACKFILL_MOVES.flatMap((move) => {
            const next = nextBackfillState(state, move)
            return next === undefined ? [] : [[move, next]]
          }),
        ),
      ]),
    )
    expect(moves).toEqual({
      pending: { pause: 'paused', cancel: 'cancelled', start: 'running' },
      running: { pause: 'paused', cancel: 'cancelled', complete: 'completed', fail: 'failed' },
      paused: { resume: 'pending', cancel: 'cancelled' },
      failed: { resume: 'pending' },
      completed: {},
      cancelled: {},
    })
  })

  it('is over in the states in which nobody works on it and nobody has paused it', () => {
    expect(BACKFILL_STATES.filter(isBackfillOver)).toEqual(['completed', 'failed', 'cancelled'])
  })
})
