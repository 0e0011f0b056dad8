import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { fairShares, queueLevel } from './fair-shares.ts'

describe('queueLevel', () => {
  it('lets a thousand batches wait for workers that are not there yet', () => {
    expect(queueLevel({ slots: 0, endedLately: 0 })).toBe(1_000)
  })

  it('keeps what the workers of a queue need for some seconds, however many or fast they are', () => {
    expect(queueLevel({ slots: 2, endedLately: 0 })).toBe(64)
    expect(queueLevel({ slots: 100, endedLately: 0 })).toBe(400)
    expect(queueLevel({ slots: 8, endedLately: 5_000 })).toBe(10_000)
  })
})

describe('fairShares', () => {
  const job = (id: string, queued: number, window = 1_000) => ({ id, queued, window })

  it('gives a job that is alone all of the queue, up to its window', () => {
    expect(fairShares([job('a', 10)], 64)).toEqual(new Map([['a', 54]]))
    expect(fairShares([job('a', 10, 20)], 64)).toEqual(new Map([['a', 10]]))
  })

  it('gives all jobs the same share, and one that has more already nothing', () => {
    expect(fairShares([job('large', 60), job('small', 0)], 64)).toEqual(
      new Map([
        ['large', 0],
        ['small', 32],
      ]),
    )
  })

  it('gives to others what a job cannot use, because its window is small or nothing of it is ready', () => {
    expect(fairShares([job('wide', 0), job('narrow', 0, 4), job('broad', 10)], 64)).toEqual(
      new Map([
        ['narrow', 4],
        ['wide', 30],
        ['broad', 20],
      ]),
    )
  })

  it('never gives away more than the queue takes, where that is enough for all', () => {
    const contenders = fc.array(fc.record({ queued: fc.constant(0), window: fc.integer({ min: 1, max: 1_000 }) }), {
      minLength: 1,
      maxLength: 60,
    })
    fc.assert(
      fc.property(contenders, fc.integer({ min: 64, max: 10_000 }), (given, level) => {
        const shares = fairShares(
          given.map((one, index) => ({ id: `${index}`, ...one })),
          level,
        )
        const sum = [...shares.values()].reduce((total, share) => total + share, 0)
        const wanted = given.reduce((total, { window }) => total + window, 0)
        expect(sum).toBe(Math.min(level, wanted))
      }),
    )
  })

  it('leaves none without a share, however many there are', () => {
    const many = Array.from({ length: 100 }, (_, index) => job(`${index}`, 0))
    expect([...fairShares(many, 64).values()]).toEqual(many.map(() => 1))
  })
})
