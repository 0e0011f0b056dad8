import type { LaneState } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createLaneStates } from './lane-states.ts'

const state = (changes: Partial<LaneState> = {}): LaneState => ({
  queue: 'q',
  lane: 'normal',
  paused: true,
  changedAt: 1_000,
  changedBy: 'ada',
  ...changes,
})

describe('lane states', () => {
  it('change by what is newer, and say whether they did', () => {
    const lanes = createLaneStates(['q'])
    expect(lanes.isPaused('q', 'normal')).toBe(false)
    expect(lanes.learn(state({ paused: false }))).toBe(false)
    expect(lanes.learn(state({ changedAt: 2_000 }))).toBe(true)
    expect(lanes.isPaused('q', 'normal')).toBe(true)
    expect(lanes.isPaused('q', 'low')).toBe(false)
    expect(lanes.learn(state({ changedAt: 2_000 }))).toBe(false)
    expect(lanes.learn(state({ changedAt: 3_000, paused: false }))).toBe(true)
    expect(lanes.learn(state({ changedAt: 2_500 }))).toBe(false)
    expect(lanes.paused()).toEqual([])
  })

  it('are known of the own queues alone', () => {
    const lanes = createLaneStates(['q'])
    expect(lanes.learn(state({ queue: 'other' }))).toBe(false)
    expect(lanes.paused()).toEqual([])
    lanes.learn(state())
    expect(lanes.paused()).toEqual([state()])
  })
})
