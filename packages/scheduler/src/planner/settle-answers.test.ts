import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { CONDITION_TIMEOUT_MS, settleAnswers } from './settle-answers.ts'

describe('settleAnswers', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('puts matches that came at once and later in the order of their blocks', async () => {
    const settled = await settleAnswers({
      matches: [3, 9],
      pending: [
        { block: 1, answer: Promise.resolve(true) },
        { block: 4, answer: Promise.resolve(false) },
        { block: 5, answer: Promise.resolve(true) },
      ],
      next: 10,
    })
    expect(settled).toEqual({ matches: [1, 3, 5, 9], next: 10 })
  })

  it('ends before the lowest block whose answer is an error', async () => {
    const error = new Error('the node is gone')
    const settled = await settleAnswers({
      matches: [3, 9],
      pending: [
        { block: 4, answer: Promise.resolve(true) },
        { block: 5, answer: Promise.reject(error) },
        { block: 6, answer: Promise.resolve(true) },
        { block: 7, answer: Promise.reject(new Error('later')) },
      ],
      next: 10,
      failure: { block: 10, error: new Error('latest') },
    })
    expect(settled).toEqual({ matches: [3, 4], next: 5, failure: { block: 5, error } })
  })

  it('counts an answer that takes longer than ten seconds as an error, and keeps those that came in time', async () => {
    const settling = settleAnswers({
      matches: [],
      pending: [
        { block: 4, answer: Promise.resolve(true) },
        { block: 5, answer: new Promise(() => undefined) },
      ],
      next: 6,
    })
    await vi.advanceTimersByTimeAsync(CONDITION_TIMEOUT_MS)
    const { matches, next, failure } = await settling
    expect({ matches, next }).toEqual({ matches: [4], next: 5 })
    expect(failure?.block).toBe(5)
    expect(String(failure?.error)).toContain('had not answered after 10000 ms')
  })

  it('leaves no timer behind', async () => {
    await settleAnswers({ matches: [], pending: [{ block: 1, answer: Promise.resolve(true) }], next: 2 })
    expect(vi.getTimerCount()).toBe(0)
  })
})
