import type { BlockHeader } from '@blockmill/core'

/** A block of the branch of the chain that tasks on `latest` are scheduled for. */
export interface BranchBlock {
  readonly number: number
  readonly hash: string
  /** Which run its tasks are: not 0 where they were orphaned before, and the block has come back. */
  readonly generation: number
}

/** The newest blocks of a branch, ascending and without gaps. */
export type Branch = readonly BranchBlock[]

/**
 * What a head says about a branch:
 *
 * | relation | the head |
 * | --- | --- |
 * | `same` | is the branch's tip |
 * | `next` | comes right after the tip |
 * | `ahead` | is further on: only the hashes in between say on what |
 * | `behind` | is a block of the branch below its tip, or one below what is kept: the endpoint lags, and says nothing |
 * | `other` | is on another branch: another block has the number of one that is known, or is the next one's parent |
 *
 * So a head with a lower number is a lag when its hash is known, and a chain that has become shorter when it is not.
 */
export type Relation = 'same' | 'next' | 'ahead' | 'behind' | 'other'

/** See `Relation`. */
export function relationOf(branch: Branch, head: BlockHeader): Relation {
  const tip = branch.at(-1)
  const first = branch[0]
  if (tip === undefined || first === undefined || head.number > tip.number + 1) return 'ahead'
  if (head.number === tip.number + 1) return head.parentHash === tip.hash ? 'next' : 'other'
  if (head.number < first.number) return 'behind'
  if (blockAt(branch, head.number)?.hash !== head.hash) return 'other'
  return head.number === tip.number ? 'same' : 'behind'
}

/** The branch's block of a number, if it is kept. */
export function blockAt(branch: Branch, number: number): BranchBlock | undefined {
  const first = branch[0]
  return first === undefined ? undefined : branch[number - first.number]
}

/**
 * The highest block that a branch has in common with the chain as it is now; `undefined` when none of those kept is. What is
 * above it was replaced.
 */
export function commonAncestor(
  branch: Branch,
  hashAt: (number: number) => string | undefined,
): BranchBlock | undefined {
  return branch.findLast(({ number, hash }) => hashAt(number) === hash)
}

/** The newest blocks of which none is missing. */
export function withoutGaps(blocks: Branch): Branch {
  const start = blocks.findLastIndex(
    (block, index) => index > 0 && block.number !== (blocks[index - 1]?.number ?? 0) + 1,
  )
  return start === -1 ? blocks : blocks.slice(start)
}

/** A branch never keeps fewer blocks than this, if it may: a reorganisation of finalized blocks shows, too. */
const KEPT_BLOCKS = 1_024

/**
 * The first block that is kept: 1,024 blocks, or down to the finalized head where that is more, but never more than `most`.
 */
export function keptFrom(latest: number, finalized: number, most: number): number {
  const wanted = Math.max(KEPT_BLOCKS, latest - finalized + 1)
  return Math.max(0, latest - Math.min(wanted, most) + 1)
}
