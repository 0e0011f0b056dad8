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

  it('leaves none without a share, however many there are', () => {
    const many = Array.from({ length: 100 }, (_, index) => job(`${index}`, 0))
    expect([...fairShares(many, 64).values()]).toEqual(many.map(() => 1))
  })
})
