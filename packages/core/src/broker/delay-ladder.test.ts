import { assert, constantFrom, double, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { MAX_DELAY_MS } from '../task/retry-policy.ts'
import { delayLadder, exactStep, jitteredStep, SMALLEST_DELAY_MS } from './delay-ladder.ts'

const LADDER = delayLadder()
const smallest = constantFrom(50, 250, SMALLEST_DELAY_MS)
const delayMs = integer({ min: 1, max: MAX_DELAY_MS })
const random = double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

/** Every step that a message without jitter takes, one after the other. */
function hops(ladder: readonly number[], delay: number): number[] {
  const steps: number[] = []
  for (let rest = delay; rest > 0; rest -= steps.at(-1) as number) steps.push(exactStep(ladder, rest))
  return steps
}

describe('delayLadder', () => {
  it('has four steps per octave from 1 s to 7 days, at most 78', () => {
    expect(LADDER.slice(0, 9)).toEqual([1_000, 1_189, 1_414, 1_682, 2_000, 2_378, 2_828, 3_364, 4_000])
    expect(LADDER.at(-1)).toBe(604_800_000)
    expect(LADDER.length).toBe(78)
  })

  it('ascends without repeating a step, whatever the smallest one', () => {
    assert(
      property(smallest, (smallestMs) => {
        const ladder = delayLadder(smallestMs)
        expect(ladder[0]).toBe(smallestMs)
        expect(ladder.at(-1)).toBe(MAX_DELAY_MS)
        expect(ladder.every((step, index) => index === 0 || step > (ladder[index - 1] as number))).toBe(true)
        expect(ladder.every(Number.isInteger)).toBe(true)
      }),
    )
  })
})

describe('exactStep', () => {
  it('adds up to the delay that was asked for, and at most one smallest step more, in a few hops', () => {
    assert(
      property(smallest, delayMs, (smallestMs, delay) => {
        const ladder = delayLadder(smallestMs)
        const steps = hops(ladder, delay)
        const total = steps.reduce((sum, step) => sum + step, 0)
        expect(steps.every((step) => ladder.includes(step))).toBe(true)
        expect(total).toBeGreaterThanOrEqual(delay)
        expect(total).toBeLessThanOrEqual(delay + smallestMs)
        expect(steps.length).toBeLessThanOrEqual(20)
      }),
    )
  })

  it('takes one hop for a delay that is a step', () => {
    for (const step of LADDER) expect(hops(LADDER, step)).toEqual([step])
  })
})

describe('jitteredStep', () => {
  it('is a step in [delay / 2, delay] for every delay from the smallest step on', () => {
    assert(
      property(integer({ min: SMALLEST_DELAY_MS, max: MAX_DELAY_MS }), random, (delay, at) => {
        const step = jitteredStep(LADDER, delay, at)
        expect(LADDER).toContain(step)
        expect(step).toBeGreaterThanOrEqual(delay / 2)
        expect(step).toBeLessThanOrEqual(delay)
      }),
    )
  })

  it('can be any of the steps in the range, so that tasks which failed together are spread', () => {
    const drawn = new Set(Array.from({ length: 100 }, (_, index) => jitteredStep(LADDER, 8_000, index / 100)))
    expect([...drawn]).toEqual([4_000, 4_757, 5_657, 6_727, 8_000])
  })

  it('is the smallest step for a delay below it', () => {
    expect(jitteredStep(LADDER, 1, 0.5)).toBe(SMALLEST_DELAY_MS)
  })
})
