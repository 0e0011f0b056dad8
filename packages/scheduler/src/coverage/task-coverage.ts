import { type BlockRange, type BlockSet, gaps, type Head, type JsonObject, union } from '@blockmill/core'

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
  /** What is stored as evaluated. */
  readonly evaluated: BlockSet
  /** The blocks of a range that are neither evaluated nor claimed. */
  missing(range: BlockRange): BlockSet
  /** Keeps others off these blocks until what is returned is called. */
  claim(range: BlockRange): () => void
  /**
   * Stores a range as evaluated. Resolves and rejects as its `CoverageWriter` does.
   *
   * @param store stores it in the writer's place, together with what else is to be stored in the same statement.
   */
  add(range: BlockRange, store?: () => Promise<void>): Promise<void>
}

export function createTaskCoverage(recorded: FollowedCoverage, writer: CoverageWriter): TaskCoverage {
  const { task, argsHash, args, head, startBlock, liveFrom } = recorded
  const claims = new Set<BlockRange>()
  let { evaluated } = recorded
  return {
    task,
    argsHash,
    args,
    head,
    startBlock,
    liveFrom,
    get evaluated() {
      return evaluated
    },
    missing: (range) => gaps(union(evaluated, [...claims]), range),
    claim(range) {
      const claimed = { ...range }
      claims.add(claimed)
      return () => void claims.delete(claimed)
    },
    async add(range, store = () => writer.add({ task, argsHash, args, head, startBlock, range })) {
      await store()
      evaluated = union(evaluated, [range])
    },
  }
}
