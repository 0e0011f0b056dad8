import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createGlobalLimiter } from './global-limiter.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setUp(limit = { limit: 10, perMs: 1_000 }) {
  const answers: ((isGiven: boolean) => void)[] = []
  const opened = vi.fn<() => void>()
  const limiter = createGlobalLimiter({
    limit,
    acquire: () => new Promise((resolve) => answers.push(resolve)),
    clock: () => performance.now(),
    random: () => 0.5,
    onOpen: opened,
  })
  const answer = async (isGiven: boolean): Promise<void> => {
    answers.shift()?.(isGiven)
    await vi.advanceTimersByTimeAsync(0)
  }
  return { limiter, answers, opened, answer }
}

it('asks for as many permits as can be used, once for each', async () => {
  const { limiter, answers, opened, answer } = setUp()
  expect(limiter.isOpen()).toBe(false)
  limiter.awaitOpening(3)
  limiter.awaitOpening(3)
  expect(answers).toHaveLength(3)
  await answer(true)
  expect(opened).toHaveBeenCalledOnce()
  expect(limiter.isOpen()).toBe(true)
  limiter.take()
  expect(limiter.isOpen()).toBe(false)
})

it('asks for nothing that this worker alone has used up', async () => {
  const { limiter, answers, opened, answer } = setUp({ limit: 2, perMs: 1_000 })
  limiter.awaitOpening(5)
  expect(answers).toHaveLength(2)
  await answer(true)
  await answer(true)
  for (let start = 0; start < 2; start += 1) limiter.take()
  opened.mockClear()
  limiter.awaitOpening(5)
  expect(answers).toHaveLength(0)
  expect(limiter.isExhausted()).toBe(true)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(opened).toHaveBeenCalledOnce()
  limiter.awaitOpening(5)
  expect(answers).toHaveLength(2)
})

it('pauses after a refusal, and then asks again', async () => {
  const { limiter, answers, opened, answer } = setUp()
  limiter.awaitOpening(1)
  expect(limiter.isExhausted()).toBe(false)
  await answer(false)
  expect(limiter.isOpen()).toBe(false)
  expect(limiter.isExhausted()).toBe(true)
  opened.mockClear()
  limiter.awaitOpening(1)
  expect(answers).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(100)
  expect(opened).toHaveBeenCalledOnce()
  limiter.awaitOpening(1)
  expect(answers).toHaveLength(1)
})

it('uses no permit that has become old: it was counted when it was given', async () => {
  const { limiter, answer } = setUp()
  limiter.awaitOpening(1)
  await answer(true)
  await vi.advanceTimersByTimeAsync(251)
  expect(limiter.isOpen()).toBe(false)
})

it('leaves no timer behind', async () => {
  const { limiter, opened, answer } = setUp()
  limiter.awaitOpening(2)
  await answer(false)
  limiter.awaitOpening(1)
  opened.mockClear()
  limiter.stop()
  await answer(true)
  expect(vi.getTimerCount()).toBe(0)
  expect(opened).not.toHaveBeenCalled()
})
