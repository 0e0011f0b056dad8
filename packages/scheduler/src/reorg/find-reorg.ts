import { type BlockHeader, type ChainSource, RetryableError } from '@blockmill/core'

import { type Branch, type BranchBlock, commonAncestor } from './branch.ts'
import type { BranchStore, RecordedBranch } from './branch-store.ts'

/** How many blocks of the branch are asked for first, to find the common ancestor; four times as many after that. */
const FIRST_WALK = 32

/** A block of which only the chain's side is known. */
export type ChainBlockHash = Pick<BranchBlock, 'number' | 'hash'>

/** What the chain has put in the place of a part of a branch. */
export interface FoundReorg {
  /** The highest block that stays; the branch's tip when the chain has not left it. */
  readonly ancestor: number
  /** Blocks that the chain has replaced, ascending. */
  readonly orphaned: readonly ChainBlockHash[]
  /** Blocks in their place, below the new head, ascending. */
  readonly blocks: readonly ChainBlockHash[]
  /**
   * Set when none of the branch's blocks is on the chain any more. `isFinal` when the ancestor is the finalized block on record,
   * which is where everything is sure to be right again, because what is final stays. Otherwise that is not known or not on the
   * chain any more, and all that is known is that the ancestor lies below the branch.
   */
  readonly beyondBranch?: { readonly isFinal: boolean }
}

export interface ReorgQuestion {
  readonly branch: Branch
  /** On another branch, or further on. */
  readonly head: BlockHeader
  /** First block of those in the new place that matters. */
  readonly from: number
  /** The newest block that was known to be final while the chain was on the branch. */
  readonly finalized: RecordedBranch['finalized']
  readonly source: Pick<ChainSource, 'hashes'>
  readonly store: Pick<BranchStore, 'scheduledBlocks'>
}

/**
 * Finds out where the chain has left a branch. Asks for the hashes of few blocks below the branch's tip first, because most
 * reorganisations are shallow and some nodes take a request for each hash.
 *
 * @throws RetryableError `CHAIN_RPC_FAILED` when the answers do not fit together.
 */
export async function findReorg(question: ReorgQuestion): Promise<FoundReorg> {
  const { branch, head, from, source } = question
  const first = branch[0]?.number ?? 0
  const tip = branch.at(-1)?.number ?? 0
  let asked = numbersBetween(Math.max(from, tip + 1), head.number - 1)
  let hashAt: HashAt = () => undefined
  for (let size = FIRST_WALK; asked[0] !== first; size *= 4) {
    const last = Math.min(tip, (asked[0] ?? head.number) - 1, head.number - 1)
    if (last < first) break
    asked = [...numbersBetween(Math.max(first, last - size + 1), last), ...asked]
    hashAt = await canonicalHashes(source, head, asked)
    if (commonAncestor(branch, hashAt) !== undefined) break
  }
  const ancestor = commonAncestor(branch, hashAt)?.number
  if (ancestor === undefined) return beyondBranch(question, hashesOf(asked, hashAt, from))
  return {
    ancestor,
    orphaned: branch.filter(({ number }) => number > ancestor),
    blocks: hashesOf(asked, hashAt, Math.max(from, ancestor + 1)),
  }
}

export type HashAt = (number: number) => string | undefined

/**
 * Hashes of a head and of blocks below it, of which none is missing, and of which the last is the head's parent.
 *
 * @throws RetryableError `CHAIN_RPC_FAILED` when that is not so: another endpoint answers now, or the chain has moved.
 */
export async function canonicalHashes(
  source: Pick<ChainSource, 'hashes'>,
  head: BlockHeader,
  numbers: readonly number[],
): Promise<HashAt> {
  const hashes = numbers.length === 0 ? [] : await source.hashes(numbers)
  const byNumber = new Map(numbers.map((number, index) => [number, hashes[index]]))
  const parent = byNumber.get(head.number - 1)
  if (hashes.includes(undefined) || (parent !== undefined && parent !== head.parentHash)) {
    throw new RetryableError('CHAIN_RPC_FAILED', `The hashes of the blocks below ${head.number} do not fit that head.`)
  }
  byNumber.set(head.number, head.hash)
  return (number) => byNumber.get(number)
}

/** Numbers in ascending order, both included; none when the last is below the first. */
export function numbersBetween(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
}

async function beyondBranch(
  { branch, finalized, source, store, head }: ReorgQuestion,
  blocks: readonly ChainBlockHash[],
): Promise<FoundReorg> {
  const lowest = branch[0]?.number ?? 0
  const [hash] = finalized === undefined ? [] : await source.hashes([finalized.number])
  const isFinal = finalized !== undefined && hash === finalized.hash && finalized.number < lowest
  const ancestor = isFinal ? finalized.number : Math.max(-1, lowest - 1)
  // Below the branch, only the tasks on record know what they were scheduled for.
  const scheduled = ancestor + 1 < lowest ? await store.scheduledBlocks(ancestor + 1, lowest - 1) : []
  const numbers = [...new Set(scheduled.map(({ number }) => number))].sort((a, b) => a - b)
  const hashAt = await canonicalHashes(source, head, numbers)
  const replaced = scheduled.filter((block) => hashAt(block.number) !== block.hash)
  return { ancestor, orphaned: [...replaced, ...branch], blocks, beyondBranch: { isFinal } }
}

function hashesOf(numbers: readonly number[], hashAt: HashAt, from: number): ChainBlockHash[] {
  return numbers.filter((number) => number >= from).map((number) => ({ number, hash: hashAt(number) ?? '' }))
}
