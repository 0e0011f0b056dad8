import type { ConditionFailure, Evaluation, PendingAnswer } from './evaluate-blocks.ts'

/** A condition or an args function that has not answered after this long counts as thrown. */
export const CONDITION_TIMEOUT_MS = 10_000

/** An evaluation with every answer in. */
export interface SettledEvaluation {
  readonly matches: readonly number[]
  readonly next: number
  readonly failure?: ConditionFailure
}

/**
 * Waits for the pending answers of an evaluation. It ends before the first block whose answer is an error or is not there
 * in time; answers for later blocks are dropped, because a task's coverage does not pass a block that could not be evaluated.
 */
export async function settleAnswers(
  { matches, pending, next, failure }: Evaluation,
  timeoutMs: number = CONDITION_TIMEOUT_MS,
): Promise<SettledEvaluation> {
  if (pending.length === 0) return { matches, next, ...(failure !== undefined && { failure }) }
  const outcomes = await outcomesInTime(pending, timeoutMs)
  const failed = outcomes.find((outcome) => outcome.failure !== undefined)?.failure ?? failure
  const end = failed?.block ?? next
  const held = outcomes.filter((outcome) => outcome.held).map(({ block }) => block)
  return {
    matches: [...matches, ...held].filter((block) => block < end).sort((a, b) => a - b),
    next: end,
    ...(failed !== undefined && { failure: failed }),
  }
}

interface Outcome {
  readonly block: number
  readonly held: boolean
  readonly failure?: ConditionFailure
}

async function outcomesInTime(pending: readonly PendingAnswer[], timeoutMs: number): Promise<Outcome[]> {
  const timeout = Promise.withResolvers<'timeout'>()
  const timer = setTimeout(() => timeout.resolve('timeout'), timeoutMs)
  try {
    return await Promise.all(
      pending.map(async ({ block, answer }): Promise<Outcome> => {
        try {
          const held = await Promise.race([answer, timeout.promise])
          if (held !== 'timeout') return { block, held }
          const error = new Error(`The condition had not answered after ${timeoutMs} ms.`)
          return { block, held: false, failure: { block, error } }
        } catch (error) {
          return { block, held: false, failure: { block, error } }
        }
      }),
    )
  } finally {
    clearTimeout(timer)
  }
}
