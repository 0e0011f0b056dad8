import { setImmediate as turn } from 'node:timers/promises'

import {
  type AnyTaskDefinition,
  type BlockRange,
  type BlockSet,
  type AnyChainAccess,
  type ChainSource,
  type ConditionBlock,
  type JsonObject,
} from '@blockmill/core'

import { blocksToEvaluate } from '../follower/blocks-to-evaluate.ts'
import { conditionContext } from '../planner/condition-context.ts'
import { type ConditionFailure, evaluateBlocks } from '../planner/evaluate-blocks.ts'
import { type SettledEvaluation, settleAnswers } from '../planner/settle-answers.ts'
import { unlessAborted } from '../unless-aborted.ts'

/** Most matches of one step, after each of which other work gets its turn. */
const MAX_MATCHES_PER_STEP = 10_000
/** Failures that are told in full; all are counted. */
const MAX_FAILURES_TOLD = 20

/** What a task with one set of arguments is asked about. */
export interface MatchRequest {
  readonly definition: AnyTaskDefinition
  readonly args: JsonObject
  readonly blocks: BlockSet
  /** Most matching blocks that are told one by one; all are counted. */
  readonly list: number
  /** Where tasks on the `latest` head get the hashes of blocks from. Without it they are told none. */
  readonly source?: ChainSource | undefined
  readonly access?: AnyChainAccess | undefined
  readonly signal: AbortSignal
  /** Told how many blocks were asked about since it was told last. */
  readonly onBlocks: (count: number) => void
}

/** For which blocks a condition holds. */
export interface Matches {
  /** Blocks for which it holds. */
  readonly count: number
  /** The lowest and the highest of them; null when there is none. */
  readonly first: number | null
  readonly last: number | null
  /** The lowest of them, ascending. */
  readonly listed: readonly number[]
  /** Blocks for which it threw, rejected or did not answer in time. */
  readonly failedCount: number
  /** The first of these. */
  readonly failures: readonly ConditionFailure[]
}

/**
 * Asks a condition about blocks as the scheduler does, and publishes nothing. A block whose condition fails is told, and the
 * count goes on behind it.
 *
 * @throws the signal's reason when it aborts; RetryableError `CHAIN_RPC_FAILED` when hashes cannot be read.
 */
export async function countMatches(request: MatchRequest): Promise<Matches> {
  const { blocks, list, signal, onBlocks } = request
  let count = 0
  let first: number | null = null
  let last: number | null = null
  const listed: number[] = []
  let failedCount = 0
  const failures: ConditionFailure[] = []
  for (const { from, to } of blocks) {
    for (let block = from; block <= to;) {
      signal.throwIfAborted()
      const { matches, next, failure } = await evaluateStep(request, { from: block, to })
      count += matches.length
      first ??= matches[0] ?? null
      last = matches.at(-1) ?? last
      listed.push(...matches.slice(0, list - listed.length))
      if (failure !== undefined) {
        failedCount += 1
        if (failures.length < MAX_FAILURES_TOLD) failures.push(failure)
      }
      // Where a condition failed, `next` is its block.
      const end = failure === undefined ? next : next + 1
      onBlocks(end - block)
      block = end
      await turn()
    }
  }
  return { count, first, last, listed, failedCount, failures }
}

async function evaluateStep(request: MatchRequest, range: BlockRange): Promise<SettledEvaluation> {
  const { definition, args, access, signal } = request
  const { range: known, blockAt } = await unlessAborted(blocksOf(request, range), signal)
  const over = new AbortController()
  try {
    const evaluation = evaluateBlocks({
      condition: definition.condition,
      args,
      range: known,
      maxMatches: MAX_MATCHES_PER_STEP,
      blockAt,
      context: conditionContext(access, over.signal),
    })
    return await unlessAborted(settleAnswers(evaluation), signal)
  } finally {
    over.abort()
  }
}

async function blocksOf({ definition, source }: MatchRequest, range: BlockRange) {
  if (source !== undefined) return blocksToEvaluate(source, definition, range)
  return { range, blockAt: (number: number): ConditionBlock => ({ number }) }
}
