import { describe, expect, it } from 'vitest'

import { rangesText, timeLeft } from './job-text.ts'

describe('rangesText', () => {
  const ranges = [
    { from: 1, to: 5 },
    { from: 9, to: 9 },
    { from: 20, to: 21 },
  ]

  it('shows ranges and single blocks', () => {
    expect(rangesText({ ranges, isCut: false }, { most: 3 })).toBe('1-5, 9, 20-21')
    expect(rangesText({ ranges: [], isCut: false }, { most: 3 })).toBe('-')
  })

  it('says when there are more than it shows, or more than it was given', () => {
    expect(rangesText({ ranges, isCut: false }, { most: 2 })).toBe('1-5, 9, …')
    expect(rangesText({ ranges, isCut: true }, { most: 3 })).toBe('1-5, 9, 20-21, …')
  })
})

describe('timeLeft', () => {
  it('tells whole seconds, and nothing where nobody can tell or nothing is left', () => {
    expect(timeLeft({ etaSeconds: 89.2 })).toBe('1.5m')
    expect(timeLeft({ etaSeconds: null })).toBe('-')
    expect(timeLeft({ etaSeconds: 0 })).toBe('-')
  })
})
