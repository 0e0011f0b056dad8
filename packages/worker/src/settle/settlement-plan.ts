import {
  exactStep,
  jitteredStep,
  NonRetryableError,
  rememberLast,
  type RetryDecision,
  type RetryDefaults,
  retryDecision,
  serializeError,
  type SerializedError,
  type TaskEvent,
  type TaskMessage,
} from '@blockmill/core'
import { type Attempt, attemptFacts } from '../execute/attempt.ts'
import type { Outcome } from '../execute/outcome.ts'

/** What an outcome leads to: the event that reports it and, unless the task has ended, the message that carries it on. */
export interface SettlementPlan {
  readonly event: TaskEvent
  readonly followUp?: FollowUp
}

/** A year. No retry waits longer than a week, but a handler may postpone itself by anything, and times have an end. */
const LONGEST_WAIT_MS = 365 * 24 * 60 * 60 * 1_000

/** A message for the delay exchange. */
export interface FollowUp {
  /** The step of the delay ladder that it waits on. */
  readonly stepMs: number
  readonly message: TaskMessage
}

export interface SettlementRules {
  readonly retry: RetryDefaults
  readonly postponeDelayMs: number
  readonly maxPostpones: number | null
  readonly ladder: readonly number[]
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
}

/**
 * Decides what an outcome leads to. Pure but for `random`.
 *
 * | outcome | event | follow-up |
 * | --- | --- | --- |
 * | succeeded, cancelled | the same | none |
 * | failed, and the policy retries | `retrying` | next attempt after the back-off |
 * | failed otherwise | `failed`: `exhausted` or `not_retryable` | none |
 * | split, on more than one block | `split` | none |
 * | split otherwise | `failed`: `not_retryable` | none |
 * | postponed below the limit | `postponed` | the same attempt, one postpone more |
 * | postponed above it | `failed`: `max_postpones` | none |
 * | expired | `failed`: `expired` | none |
 */
export function planSettlement(
  attempt: Pick<Attempt, 'unit' | 'item' | 'startedAtMs' | 'checkpoint'>,
  outcome: Outcome,
  nowMs: number,
  rules: SettlementRules,
): SettlementPlan {
  const { message, definition } = attempt.unit
  const facts = { ...eventFacts(attempt, nowMs), startedAt: isoTime(attempt.startedAtMs) }
  switch (outcome.type) {
    case 'succeeded':
      return {
        event: { type: 'succeeded', ...facts, ...(outcome.result !== undefined && { result: outcome.result }) },
      }
    case 'cancelled':
      return { event: { type: 'cancelled', ...facts, reason: outcome.reason } }
    case 'split': {
      const { range } = attempt.item
      if (range === undefined || range.from === range.to) {
        return { event: { type: 'failed', ...facts, error: eventError(outcome.error), reason: 'not_retryable' } }
      }
      const { safeSize, error } = outcome
      return { event: { type: 'split', ...facts, reason: error.message, ...(safeSize !== undefined && { safeSize }) } }
    }
    case 'expired':
      return { event: { type: 'failed', ...facts, error: eventError(outcome.error), reason: 'expired' } }
    case 'failed': {
      const error = eventError(outcome.error)
      const decision = decideRetry(attempt, outcome.error, rules)
      if (decision.type === 'fail') return { event: { type: 'failed', ...facts, error, reason: decision.reason } }
      const wait = retryWait(decision.delayMs, outcome.error, definition.retry.jitter === true, rules)
      const { delayMs, nextAttemptAt } = waitFrom(nowMs, wait.delayMs)
      return {
        event: { type: 'retrying', ...facts, error, delayMs, nextAttemptAt },
        followUp: followUp(attempt, wait.stepMs, { attempt: message.attempt + 1, notBefore: nextAttemptAt }),
      }
    }
    case 'postponed': {
      const limit = definition.maxPostpones === undefined ? rules.maxPostpones : definition.maxPostpones
      if (limit !== null && message.postpones >= limit) {
        return { event: { type: 'failed', ...facts, error: tooManyPostpones(limit), reason: 'max_postpones' } }
      }
      const { delayMs, nextAttemptAt } = waitFrom(nowMs, outcome.delayMs ?? rules.postponeDelayMs)
      return {
        event: { type: 'postponed', ...facts, reason: outcome.reason, delayMs, nextAttemptAt },
        followUp: followUp(attempt, exactStep(rules.ladder, delayMs), {
          postpones: message.postpones + 1,
          notBefore: nextAttemptAt,
        }),
      }
    }
  }
}

/** What every event says about its attempt. */
export function eventFacts(attempt: Pick<Attempt, 'unit' | 'item'>, nowMs: number) {
  return { ...attemptFacts(attempt), at: isoTime(nowMs) }
}

/** A busy worker starts and ends many tasks in the same millisecond. */
export const isoTime = rememberLast((unixMs: number) => new Date(unixMs).toISOString())

function decideRetry(
  { unit: { message, definition } }: Pick<Attempt, 'unit'>,
  error: SerializedError,
  rules: SettlementRules,
): RetryDecision {
  const failure = { attempt: message.attempt, maxAttempts: message.maxAttempts, error }
  try {
    return retryDecision(definition.retry, failure, rules.retry)
  } catch {
    // A back-off function of the user's that throws, or returns what is not a duration. The task must go on all the same.
    return retryDecision({ ...definition.retry, backoff: { type: 'exponential' } }, failure, rules.retry)
  }
}

/** With jitter, one hop on a random step, unless that would be earlier than the other side asked to be left alone. */
function retryWait(delayMs: number, error: SerializedError, jitter: boolean, { ladder, random }: SettlementRules) {
  if (jitter) {
    const stepMs = jitteredStep(ladder, delayMs, random())
    if (stepMs >= (error.retryAfterMs ?? 0)) return { delayMs: stepMs, stepMs }
  }
  return { delayMs, stepMs: exactStep(ladder, delayMs) }
}

function waitFrom(nowMs: number, askedMs: number): { readonly delayMs: number; readonly nextAttemptAt: string } {
  const delayMs = Math.min(askedMs, LONGEST_WAIT_MS)
  return { delayMs, nextAttemptAt: isoTime(nowMs + delayMs) }
}

function followUp(
  { unit: { message }, item, checkpoint }: Pick<Attempt, 'unit' | 'item' | 'checkpoint'>,
  stepMs: number,
  changes: Partial<Pick<TaskMessage, 'attempt' | 'postpones' | 'notBefore'>>,
): FollowUp {
  return { stepMs, message: { ...message, ...changes, items: [item], ...(checkpoint !== undefined && { checkpoint }) } }
}

function tooManyPostpones(limit: number) {
  const text = `The task postponed itself more than ${limit} times. Raise \`maxPostpones\`, or postpone for longer.`
  return eventError(serializeError(new NonRetryableError('MAX_POSTPONES_REACHED', text)))
}

// The event's schema has a mutable list where the error's type has a read-only one.
function eventError(error: SerializedError) {
  return { ...error, classes: [...error.classes] }
}
