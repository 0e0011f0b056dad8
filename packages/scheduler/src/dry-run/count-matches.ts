import { setImmediate as turn } from 'node:timers/promises'

import {
  type AnyTaskDefinition,
  type BlockSet,
  type AnyChainAccess,
  type ChainSource,
  type JsonObject,
} from '@blockmill/core'

import type { ConditionFailure } from '../planner/evaluate-blocks.ts'
import { evaluateRange } from '../planner/evaluate-range.ts'

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
  const { definition, args, blocks, list, source, access, signal, onBlocks } = request
  let count = 0
  let first: number | null = null
  let last: number | null = null
  const listed: number[] = []
  let failedCount = 0
  const failures: ConditionFailure[] = []
  for (const { from, to } of blocks) {
    for (let block = from; block <= to;) {
      signal.throwIfAborted()
      const range = { from: block, to }
      const { matches, next, failure } = await evaluateRange({
        source,
        access,
        definition,
        args,
        range,
        maxMatches: MAX_MATCHES_PER_STEP,
        signal,
      })
      count += matches.length
      first ??= matches[0]?.number ?? null
      last = matches.at(-1)?.number ?? last
      listed.push(...matches.slice(0, list - listed.length).map(({ number }) => number))
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
