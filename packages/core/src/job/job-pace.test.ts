import { describe, expect, it } from 'vitest'

import { jobPace } from './job-pace.ts'

const now = new Date('2026-01-01T00:01:00.000Z')
const at = new Date('2026-01-01T00:00:58.000Z')
const running = { state: 'running', done: 400, total: 1_000 } as const

describe('jobPace', () => {
  it('tells how long the rest takes at the rate of now', () => {
    expect(jobPace(running, { blocksPerSecond: 20, at }, now)).toEqual({ blocksPerSecond: 20, etaSeconds: 30 })
  })

  it('does not guess without a rate, from an old one, or before the size is known', () => {
    const nobodyKnows = { blocksPerSecond: 0, etaSeconds: null }
    expect(jobPace(running, { blocksPerSecond: 0, at }, now)).toEqual(nobodyKnows)
    expect(jobPace(running, { blocksPerSecond: null, at: null }, now)).toEqual(nobodyKnows)
    const old = new Date('2026-01-01T00:00:30.000Z')
    expect(jobPace(running, { blocksPerSecond: 20, at: old }, now)).toEqual(nobodyKnows)
    expect(jobPace({ ...running, state: 'paused' }, { blocksPerSecond: 20, at }, now)).toEqual(nobodyKnows)
    expect(jobPace({ ...running, total: null }, { blocksPerSecond: 20, at }, now).etaSeconds).toBeNull()
  })

  it('has nothing left of a completed job', () => {
    expect(jobPace({ ...running, state: 'completed' }, { blocksPerSecond: 20, at }, now)).toEqual({
      blocksPerSecond: 0,
      etaSeconds: 0,
    })
  })
})
