import {
  defineTask,
  delayLadder,
  RETRY_DEFAULTS,
  type RetryPolicy,
  type SerializedError,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { item, unit } from '../../test/messages.ts'
import type { Outcome } from '../execute/outcome.ts'
import { planSettlement, type SettlementRules } from './settlement-plan.ts'

const NOW = Date.parse('2026-01-01T12:00:00.000Z')
const STARTED = NOW - 1_500
const error: SerializedError = { name: 'Error', message: 'boom', classes: ['Error'] }
const failed: Outcome = { type: 'failed', error }
const postponed: Outcome = { type: 'postponed', delayMs: undefined, reason: 'not yet' }
const rules: SettlementRules = {
  retry: RETRY_DEFAULTS,
  postponeDelayMs: 5_000,
  maxPostpones: 15,
  ladder: delayLadder(),
  random: () => 0.5,
}

interface Given {
  readonly retry?: RetryPolicy
  readonly maxPostpones?: number | null
  readonly message?: Partial<TaskMessage>
  readonly rules?: Partial<SettlementRules>
}

function planFor(outcome: Outcome, given: Given = {}) {
  const { retry = {}, maxPostpones } = given
  const definition = defineTask({
    name: 'noop',
    retry,
    ...(maxPostpones !== undefined && { maxPostpones }),
    run: () => undefined,
  })
  const work = unit(definition, given.message)
  const [first = item(1)] = work.items
  return planSettlement({ unit: work, item: first, startedAtMs: STARTED }, outcome, NOW, { ...rules, ...given.rules })
}

describe('a success', () => {
  it('leads to one event that names the task, the attempt and its times, and to nothing else', () => {
    const plan = planFor(
      { type: 'succeeded', result: { n: 1 } },
      { message: { attempt: 2, postpones: 3, generation: 7 } },
    )
    expect(plan).toEqual({
      event: {
        type: 'succeeded',
        taskId: item(1).id,
        chain: 'dev',
        task: 'noop',
        block: 1,
        generation: 7,
        attempt: 2,
        postpones: 3,
        startedAt: '2026-01-01T11:59:58.500Z',
        at: '2026-01-01T12:00:00.000Z',
        result: { n: 1 },
      },
    })
  })

  it('has no result when the handler returned none, and keeps a result of null', () => {
    expect(planFor({ type: 'succeeded' }).event).not.toHaveProperty('result')
    expect(planFor({ type: 'succeeded', result: null }).event).toMatchObject({ result: null })
  })
})

describe('a failed attempt', () => {
  it('is retried with the next attempt number, after the delay of its policy', () => {
    const { event, followUp } = planFor(failed, { retry: { backoff: { type: 'exponential', base: '2m' } } })
    expect(event).toMatchObject({
      type: 'retrying',
      attempt: 1,
      delayMs: 120_000,
      nextAttemptAt: '2026-01-01T12:02:00.000Z',
      error: { message: 'boom' },
    })
    expect(followUp?.message).toMatchObject({ attempt: 2, postpones: 0, notBefore: '2026-01-01T12:02:00.000Z' })
  })

  it('keeps the count of postpones, the queue, the lane and everything else of its message', () => {
    const given = { queue: 'slow', lane: 'low', priority: 20, postpones: 4, cause: 'backfill', generation: 9 } as const
    expect(planFor(failed, { message: given }).followUp?.message).toMatchObject({ ...given, attempt: 2 })
  })

  it('leaves its chunk as a message of its own', () => {
    const { followUp } = planFor(failed, { message: { items: [item(1), item(2), item(3)] } })
    expect(followUp?.message.items).toEqual([item(1)])
  })

  it('fails as exhausted with its last attempt, and at once when the policy does not retry its error', () => {
    expect(planFor(failed, { message: { attempt: 3 } })).toMatchObject({
      event: { type: 'failed', reason: 'exhausted' },
    })
    expect(planFor(failed, { message: { attempt: 3 } }).followUp).toBeUndefined()
    const notRetried = planFor(failed, { retry: { retryOn: ['TypeError'] } })
    expect(notRetried).toMatchObject({ event: { type: 'failed', reason: 'not_retryable' } })
    expect(notRetried.followUp).toBeUndefined()
  })

  it('takes a random step in [d/2, d] when its policy says jitter, and reports that very delay', () => {
    const retry = { jitter: true, backoff: { type: 'constant', pause: '60s' } } as const
    const steps = [0, 0.3, 0.6, 0.999].map((random) => planFor(failed, { retry, rules: { random: () => random } }))
    for (const { event, followUp } of steps) {
      expect(followUp?.stepMs).toBeGreaterThanOrEqual(30_000)
      expect(followUp?.stepMs).toBeLessThanOrEqual(60_000)
      expect(event).toMatchObject({ delayMs: followUp?.stepMs })
    }
    expect(new Set(steps.map(({ followUp }) => followUp?.stepMs)).size).toBeGreaterThan(2)
  })

  it('is not retried earlier than the other side asked for, jitter or not', () => {
    const asked: Outcome = { type: 'failed', error: { ...error, retryAfterMs: 60_000 } }
    for (const random of [0, 0.5, 0.999]) {
      const { event } = planFor(asked, {
        retry: { jitter: true, backoff: { type: 'constant', pause: '1s' } },
        rules: { random: () => random },
      })
      expect((event as { delayMs: number }).delayMs).toBeGreaterThanOrEqual(60_000)
    }
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('bug')
      },
    ],
    ['returns what is not a duration', () => Number.NaN],
  ])('is retried by the default back-off when a back-off function %s', (_, backoff) => {
    expect(planFor(failed, { retry: { backoff } }).event).toMatchObject({ type: 'retrying', delayMs: 60_000 })
  })
})

describe('a postpone', () => {
  it('runs the same attempt again later and counts separately', () => {
    const { event, followUp } = planFor(postponed, { message: { attempt: 2, postpones: 1 } })
    expect(event).toMatchObject({ type: 'postponed', attempt: 2, postpones: 1, delayMs: 5_000, reason: 'not yet' })
    expect(followUp?.message).toMatchObject({ attempt: 2, postpones: 2, notBefore: '2026-01-01T12:00:05.000Z' })
  })

  it('fails the task with the one after the limit: five are fine with a limit of five, the sixth is not', () => {
    const planAfter = (postpones: number) => planFor(postponed, { maxPostpones: 5, message: { postpones } })
    for (const postpones of [0, 1, 2, 3, 4]) expect(planAfter(postpones).event.type).toBe('postponed')
    expect(planAfter(5)).toMatchObject({
      event: { type: 'failed', reason: 'max_postpones', error: { code: 'MAX_POSTPONES_REACHED' } },
    })
    expect(planAfter(5).followUp).toBeUndefined()
  })

  it('takes the worker’s limit unless the task has its own, which may be larger or none', () => {
    expect(planFor(postponed, { message: { postpones: 15 } }).event.type).toBe('failed')
    expect(planFor(postponed, { maxPostpones: 16, message: { postpones: 15 } }).event.type).toBe('postponed')
    expect(planFor(postponed, { maxPostpones: null, message: { postpones: 9_999 } }).event.type).toBe('postponed')
    expect(planFor(postponed, { rules: { maxPostpones: null }, message: { postpones: 9_999 } }).event.type).toBe(
      'postponed',
    )
    expect(planFor(postponed, { maxPostpones: 0 }).event.type).toBe('failed')
  })

  it('may be longer than the ladder: the wait goes on in further steps', () => {
    const monthMs = 30 * 86_400_000
    const { event, followUp } = planFor({ type: 'postponed', delayMs: monthMs, reason: '' })
    expect(event).toMatchObject({ delayMs: monthMs })
    expect(followUp?.stepMs).toBe(7 * 86_400_000)
  })
})

it('ends a cancelled and an expired task with its reason', () => {
  expect(planFor({ type: 'cancelled', reason: 'pointless' })).toMatchObject({
    event: { type: 'cancelled', reason: 'pointless' },
  })
  expect(planFor({ type: 'expired', error })).toMatchObject({ event: { type: 'failed', reason: 'expired' } })
})

it('always plans a message that the codec takes and a step that the ladder has', () => {
  const outcomes = fc.oneof(
    fc.constant(failed),
    fc.record({
      type: fc.constant('postponed' as const),
      delayMs: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
      reason: fc.string(),
    }),
  )
  fc.assert(
    fc.property(outcomes, fc.boolean(), fc.double({ min: 0, max: 0.999 }), (outcome, jitter, random) => {
      const { followUp } = planFor(outcome, { retry: { jitter }, rules: { random: () => random } })
      expect(rules.ladder).toContain(followUp?.stepMs)
      const { message } = followUp ?? {}
      expect(message && taskMessageCodec.decode(taskMessageCodec.encode(message))).toEqual(message)
    }),
  )
})
