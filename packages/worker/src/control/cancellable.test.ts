import { Cancel, defineTask, RetryableError } from '@blockmill/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { unit } from '../../test/messages.ts'
import { type Attempt, createAttempt } from '../execute/attempt.ts'
import { failedOutcome, type Outcome } from '../execute/outcome.ts'
import { cancellable } from './cancellable.ts'

const GRACE_MS = 5_000

/** An attempt under way whose handler ends as the test says. */
function running({ isolation = 'none' }: { isolation?: 'none' | 'process' } = {}) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const definition = defineTask({ name: 'noop', isolation, run: () => undefined })
  const task = unit(definition)
  const [first] = task.items
  if (first === undefined) throw new Error('a unit has items')
  const attempt = createAttempt(task, first, 0)
  const onStuck = vi.fn<(stuck: Attempt) => void>()
  const ended = cancellable(() => promise, { graceMs: GRACE_MS, onStuck })(attempt)
  return { attempt, onStuck, ended, end: resolve }
}

const cancel = new Cancel('no longer wanted')
const cancelled = { type: 'cancelled', reason: 'no longer wanted' }

describe('an attempt that is cancelled', () => {
  it.each<[string, Outcome]>([
    ['fails', failedOutcome(new Error('aborted'))],
    ['postpones itself', { type: 'postponed', delayMs: 1, reason: 'later' }],
    ['cancels itself', { type: 'cancelled', reason: 'for another reason' }],
  ])('is cancelled when its handler then %s', async (_how, outcome) => {
    const { attempt, ended, end } = running()
    attempt.abort.abort(cancel)
    end(outcome)
    expect(await ended).toEqual(cancelled)
  })

  it('has succeeded when its handler succeeds all the same', async () => {
    const { attempt, ended, end } = running()
    attempt.abort.abort(cancel)
    end({ type: 'succeeded', result: 1 })
    expect(await ended).toEqual({ type: 'succeeded', result: 1 })
  })

  it('is given up after the grace, and counted as stuck', async () => {
    const { attempt, ended, onStuck } = running()
    attempt.abort.abort(cancel)
    await vi.advanceTimersByTimeAsync(GRACE_MS - 1)
    expect(onStuck).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(await ended).toEqual(cancelled)
    expect(onStuck).toHaveBeenCalledExactlyOnceWith(attempt)
  })

  it('is left to its process, which is killed, when it has one', async () => {
    const { attempt, ended, end, onStuck } = running({ isolation: 'process' })
    attempt.abort.abort(cancel)
    await vi.advanceTimersByTimeAsync(10 * GRACE_MS)
    expect(onStuck).not.toHaveBeenCalled()
    end(failedOutcome(new Error('killed')))
    expect(await ended).toEqual(cancelled)
  })
})

it('an attempt that is aborted for another reason ends as its handler says', async () => {
  const { attempt, ended, end, onStuck } = running()
  attempt.abort.abort(new RetryableError('TASK_TIMED_OUT', 'too long'))
  attempt.abort.abort(cancel)
  await vi.advanceTimersByTimeAsync(10 * GRACE_MS)
  end(failedOutcome(new Error('timed out')))
  expect(await ended).toMatchObject({ type: 'failed' })
  expect(onStuck).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})
