import {
  type BlockRange,
  type AnyCondition,
  type ConditionBlock,
  type ConditionContext,
  isPeriodic,
} from '@blockmill/core'

/** A condition that answers with a promise is asked for at most this many blocks at once. */
export const MAX_PENDING_ANSWERS = 16
/** Most blocks that a condition is asked about in one go, so that other work gets its turn on the event loop. */
export const MAX_BLOCKS_PER_EVALUATION = 10_000

/** What is evaluated: one condition with one set of arguments over a range of blocks. */
export interface EvaluationRequest {
  readonly condition: AnyCondition
  readonly args: unknown
  readonly range: BlockRange
  /** Evaluation ends behind the block that brings this many matches. */
  readonly maxMatches: number
  /** What the condition is told of a block. */
  readonly blockAt: (number: number) => ConditionBlock
  readonly context: ConditionContext<'any'>
}

/** A block whose condition threw, rejected or took too long. */
export interface ConditionFailure {
  readonly block: number
  readonly error: unknown
}

/** A block whose condition answered with a promise. */
export interface PendingAnswer {
  readonly block: number
  readonly answer: Promise<boolean>
}

/** What became of the blocks from the start of the range up to, not including, `next`. */
export interface Evaluation {
  /** Blocks for which the condition held at once, ascending. */
  readonly matches: readonly number[]
  /** Blocks that are not decided yet, ascending. Empty for a condition that is not asynchronous. */
  readonly pending: readonly PendingAnswer[]
  /** The first block that was not evaluated: past the range's end when all were. */
  readonly next: number
  /** Why evaluation ended at `next`, when the condition threw for it. */
  readonly failure?: ConditionFailure
}

/**
 * Asks a condition about a range of blocks, in order, until the range ends, it throws, or a limit is reached. Pure and
 * synchronous: what a condition answers later is handed back as pending. Periodic conditions are not asked at all: their
 * matches are computed.
 */
export function evaluateBlocks(request: EvaluationRequest): Evaluation {
  const { condition } = request
  return isPeriodic(condition)
    ? stepFromMatchToMatch(request, condition.period, condition.offset)
    : askForEachBlock(request)
}

/** The first block from `from` on where `(block − offset) % period === 0`. */
export function firstPeriodicBlock(from: number, period: number, offset: number): number {
  const past = (from - offset) % period
  return past === 0 ? from : from + (past > 0 ? period - past : -past)
}

function stepFromMatchToMatch(
  { range: { from, to }, maxMatches }: EvaluationRequest,
  period: number,
  offset: number,
): Evaluation {
  const matches: number[] = []
  for (let block = firstPeriodicBlock(from, period, offset); block <= to; block += period) {
    matches.push(block)
    if (matches.length >= maxMatches) return { matches, pending: [], next: block + 1 }
  }
  return { matches, pending: [], next: to + 1 }
}

function askForEachBlock({ condition, args, range, maxMatches, blockAt, context }: EvaluationRequest): Evaluation {
  const matches: number[] = []
  const pending: PendingAnswer[] = []
  const to = Math.min(range.to, range.from + MAX_BLOCKS_PER_EVALUATION - 1)
  let block = range.from
  for (; block <= to; block += 1) {
    try {
      const answer: unknown = condition(blockAt(block), args as never, context as never)
      if (answer === true) matches.push(block)
      else if (answer instanceof Promise) pending.push({ block, answer: answer.then(assertAnswer) })
      else assertAnswer(answer)
    } catch (error) {
      return { matches, pending, next: block, failure: { block, error } }
    }
    if (pending.length >= MAX_PENDING_ANSWERS || matches.length + pending.length >= maxMatches) {
      return { matches, pending, next: block + 1 }
    }
  }
  return { matches, pending, next: block }
}

// A condition that forgot its `return` would otherwise never run its task, and nobody would know why.
function assertAnswer(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new TypeError(`The condition answered ${String(answer)}; it must answer true or false.`)
}
