import { describe, expect, it } from 'vitest'

import { createProgressMeter } from './progress-meter.ts'

describe('createProgressMeter', () => {
  it('tells the rate since the start, then over the last minute', () => {
    const meter = createProgressMeter(0)
    for (let second = 0; second < 30; second += 1) meter.add(100, second * 1_000)
    expect(meter.perSecond(30_000)).toBe(100)
    for (let second = 30; second < 300; second += 1) meter.add(10, second * 1_000)
    expect(meter.perSecond(300_000)).toBeCloseTo(10, 0)
  })

  it('falls to nothing a minute after the last block', () => {
    const meter = createProgressMeter(0)
    meter.add(6_000, 1_000)
    expect(meter.perSecond(31_000)).toBeGreaterThan(100)
    expect(meter.perSecond(62_000)).toBe(0)
  })

  it('does not divide by the moments since the start', () => {
    const meter = createProgressMeter(0)
    meter.add(500, 1)
    expect(meter.perSecond(1)).toBe(500)
  })
})
