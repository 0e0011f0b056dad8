import {
  type BlockRange,
  type BlockSet,
  difference,
  gaps,
  type Head,
  type JsonObject,
  RetryableError,
  union,
} from '@blockmill/core'

import { nextLiveBlock } from '../planner/next-blocks.ts'
import type { FollowedCoverage } from './coverage-store.ts'
import type { CoverageWriter } from './coverage-writer.ts'

/**
 * The coverage of one task with one set of arguments while its scheduler leads. All who schedule its blocks share one, so
 * that each sees what the others have done, and none takes what another is about to do.
 */
export interface TaskCoverage {
  readonly task: string
  readonly argsHash: string
  readonly args: JsonObject
  readonly head: Head
  /** First block that must be evaluated. */
  readonly startBlock: number
  /** First block of the live run while nothing is evaluated. */
  readonly liveFrom: number
  /** Where the live run goes on after the chain has replaced blocks; see `Progress`. */
  readonly resumeFrom: number | undefined
  /** What is stored as evaluated. */
  readonly evaluated: BlockSet
  /** The blocks of a range that are neither evaluated nor claimed. */
  missing(range: BlockRange): BlockSet
  /** Keeps others off these blocks until they are released. Whoever plans blocks claims them first. */
  claim(range: BlockRange): BlockClaim
  /** The chain is about to replace the blocks from this one on: whatever is claimed of them now is void. */
  invalidate(from: number): void
  /** The record no longer says that the blocks from this one on were evaluated. */
  retract(from: number): void
}

/** Blocks that somebody is about to schedule. */
export interface BlockClaim {
  /**
   * Throws when what was planned for these blocks is void, because the chain has replaced them since they were claimed.
   *
   * @throws RetryableError `CHAIN_REORGANISED`.
   */
  assertCurrent(range: BlockRange): void
  /**
   * Stores a range as evaluated. Resolves and rejects as its `CoverageWriter` does, and rejects as `assertCurrent` throws.
   *
   * @param store stores it in the writer's place, together with what else is to be stored in the same statement; where blocks
   * may be replaced, in the writer's turn.
   */
  add(range: BlockRange, store?: () => Promise<void>): Promise<void>
  /** Others may have what was not added. Idempotent. */
  release(): void
}

interface Claimed extends BlockRange {
  /** First block for which the claim is void. */
  voidFrom: number
}

export function createTaskCoverage(recorded: FollowedCoverage, writer: CoverageWriter): TaskCoverage {
  const { task, argsHash, args, head, startBlock, liveFrom } = recorded
  let claims: readonly Claimed[] = []
  let { evaluated } = recorded
  let resumeFrom: number | undefined

  const claimOf = (claimed: Claimed): BlockClaim => {
    const assertCurrent = ({ to }: BlockRange): void => {
      if (to < claimed.voidFrom) return
      const blocks = `Blocks from ${claimed.voidFrom} on were replaced by the chain`
      throw new RetryableError('CHAIN_REORGANISED', `${blocks} while '${task}' was scheduled for them.`)
    }

    /** A reorganisation takes coverage of `latest` back in the writer's turn. What comes later must not put it back. */
    const write = (range: BlockRange, store: () => Promise<void>): Promise<void> => {
      if (head !== 'latest') return store()
      return writer.inTurn(async () => {
        assertCurrent(range)
        await store()
      })
    }

    return {
      assertCurrent,
      async add(range, store) {
        assertCurrent(range)
        await (store === undefined
          ? writer.add({ task, argsHash, args, head, startBlock, range })
          : write(range, store))
        evaluated = union(evaluated, [range])
      },
      release() {
        claims = claims.filter((one) => one !== claimed)
      },
    }
  }

  return {
    task,
    argsHash,
    args,
    head,
    startBlock,
    liveFrom,
    get resumeFrom() {
      return resumeFrom
    },
    get evaluated() {
      return evaluated
    },
    missing: (range) => gaps(union(evaluated, claims), range),
    claim(range) {
      const claimed = { ...range, voidFrom: Number.POSITIVE_INFINITY }
      claims = [...claims, claimed]
      return claimOf(claimed)
    },
    invalidate(from) {
      for (const claim of claims) claim.voidFrom = Math.min(claim.voidFrom, from)
    },
    retract(from) {
      if (nextLiveBlock({ startBlock, liveFrom, resumeFrom, evaluated }) > from) resumeFrom = from
      evaluated = difference(evaluated, [{ from, to: Number.MAX_SAFE_INTEGER }])
    },
  }
}
