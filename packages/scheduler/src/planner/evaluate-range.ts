import {
  type AnyTaskDefinition,
  type BlockRange,
  type ChainSource,
  type ConditionBlock,
  type AnyChainAccess,
  type JsonObject,
  unlessAborted,
} from '@blockmill/core'

import { blocksToEvaluate } from './blocks-to-evaluate.ts'
import { conditionContext } from './condition-context.ts'
import { evaluateBlocks } from './evaluate-blocks.ts'
import { type SettledEvaluation, settleAnswers } from './settle-answers.ts'

export interface RangeToEvaluate {
  /** Where tasks on the `latest` head get the hashes of blocks from; without it, they are told none. */
  readonly source: Pick<ChainSource, 'hashes'> | undefined
  /** What conditions read the chain through. */
  readonly access: AnyChainAccess | undefined
  readonly definition: AnyTaskDefinition
  readonly args: JsonObject
  readonly range: BlockRange
  /** Evaluation ends behind the block that brings this many matches. */
  readonly maxMatches: number
  /** Ends the wait for hashes and answers. */
  readonly signal: AbortSignal
}

/** What became of the blocks of a range from its start up to, not including, `next`. */
export interface EvaluatedBlocks extends Omit<SettledEvaluation, 'matches'> {
  /** With hashes for tasks on the `latest` head. */
  readonly matches: readonly ConditionBlock[]
  /** For how long the condition held the event loop. */
  readonly askedMs: number
}

/**
 * Evaluates the first blocks of a range, as many as there is an answer for.
 *
 * @throws RetryableError when the hashes that are needed cannot be read; the signal's reason when it aborts.
 */
export async function evaluateRange(request: RangeToEvaluate): Promise<EvaluatedBlocks> {
  const { source, access, definition, args, maxMatches, signal } = request
  const { range, blockAt } = await unlessAborted(blocksToEvaluate(source, definition, request.range), signal)
  const over = new AbortController()
  try {
    const context = conditionContext(access, over.signal)
    const startMs = performance.now()
    const asked = evaluateBlocks({ condition: definition.condition, args, range, maxMatches, blockAt, context })
    const askedMs = performance.now() - startMs
    const { matches, ...rest } = await unlessAborted(settleAnswers(asked), signal)
    return { ...rest, matches: matches.map(blockAt), askedMs }
  } finally {
    over.abort()
  }
}
