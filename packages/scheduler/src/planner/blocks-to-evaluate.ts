import {
  type AnyTaskDefinition,
  type BlockRange,
  type ChainSource,
  type ConditionBlock,
  isPeriodic,
  RetryableError,
} from '@blockmill/core'

import { firstPeriodicBlock } from './evaluate-blocks.ts'

/** Most blocks whose hashes are asked for in one request. */
const MAX_HASHES = 256

/** A range that can be evaluated, and what conditions and messages are told of its blocks. */
export interface BlocksToEvaluate {
  readonly range: BlockRange
  readonly blockAt: (number: number) => ConditionBlock
}

/**
 * On the `finalized` head a block is its number. On `latest` it is its number and hash, which are asked for: those of all
 * blocks, or of the matches where the condition is periodic. So the range may get shorter; it starts where it started.
 * Without a source, a block is its number everywhere.
 *
 * @throws RetryableError when the hashes cannot be read, or the endpoint that answers does not have the first block yet.
 */
export async function blocksToEvaluate(
  source: Pick<ChainSource, 'hashes'> | undefined,
  { head, condition }: AnyTaskDefinition,
  range: BlockRange,
): Promise<BlocksToEvaluate> {
  if (head === 'finalized' || source === undefined) return { range, blockAt: (number) => ({ number }) }
  const { numbers, to } = isPeriodic(condition)
    ? matchesWithin(range, condition.period, condition.offset)
    : everyBlockWithin(range)
  const hashes = numbers.length === 0 ? [] : await source.hashes(numbers)
  const missing = numbers.find((_, index) => hashes[index] === undefined)
  if (missing === range.from) {
    throw new RetryableError('CHAIN_RPC_FAILED', `Block ${missing} is not known to the endpoint that answered.`)
  }
  const byNumber = new Map(numbers.map((number, index) => [number, hashes[index]]))
  return {
    range: { from: range.from, to: missing === undefined ? to : missing - 1 },
    blockAt(number) {
      const hash = byNumber.get(number)
      return hash === undefined ? { number } : { number, hash }
    },
  }
}

function everyBlockWithin({ from, to }: BlockRange): { numbers: number[]; to: number } {
  const last = Math.min(to, from + MAX_HASHES - 1)
  return { numbers: Array.from({ length: last - from + 1 }, (_, index) => from + index), to: last }
}

function matchesWithin({ from, to }: BlockRange, period: number, offset: number): { numbers: number[]; to: number } {
  const numbers: number[] = []
  for (let block = firstPeriodicBlock(from, period, offset); block <= to; block += period) {
    if (numbers.length === MAX_HASHES) return { numbers, to: block - 1 }
    numbers.push(block)
  }
  return { numbers, to }
}
