import { describe, expect, it } from 'vitest'

import { createTaskPace } from './task-pace.ts'

describe('createTaskPace', () => {
  it.each([
    [20, 10],
    [0.5, 60],
    [1_000, 10],
  ])('lets %d tasks a second go', (rate, seconds) => {
    const pace = createTaskPace(rate)
    let nowMs = 5_000
    let tasks = 0
    while (nowMs < 5_000 + seconds * 1_000) {
      pace.took(pace.most, nowMs)
      tasks += pace.most
      nowMs += pace.waitMs(nowMs)
    }
    expect(tasks).toBe(rate * seconds)
  })

  it('does not save up what was not used', () => {
    const pace = createTaskPace(10)
    pace.took(10, 0)
    expect(pace.waitMs(0)).toBe(1_000)
    expect(pace.waitMs(60_000)).toBe(0)
    pace.took(10, 60_000)
    expect(pace.waitMs(60_000)).toBe(1_000)
  })

  it('waits for nothing without a rate', () => {
    const pace = createTaskPace(null)
    pace.took(1_000_000, 0)
    expect(pace).toMatchObject({ most: Number.POSITIVE_INFINITY })
    expect(pace.waitMs(0)).toBe(0)
  })
})
