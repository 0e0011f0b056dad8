import { type BlockRange, type BlockSet, difference, intersection, union } from '@blockmill/core'

import type { TaskCoverage } from '../coverage/task-coverage.ts'
import type { RecordedPart } from './backfill-store.ts'
import { createFailingBlocks, type FailingBlocks } from './failing-blocks.ts'

/** A job's blocks for one set of arguments, while its scheduler leads. */
export interface BackfillPart {
  readonly coverage: TaskCoverage
  readonly failing: FailingBlocks
  /** The lowest blocks that are to be evaluated now; `undefined` when there are none, or others are about to. */
  next(nowMs: number): BlockRange | undefined
  /** These blocks are stored as done. */
  done(range: BlockRange): void
  /** Blocks that are not done. */
  readonly remaining: BlockSet
  /** True when nothing is left to try. */
  readonly isSettled: boolean
}

/** @param isForced evaluates its blocks whether they are covered or not. */
export function createBackfillPart(
  { target, evaluated: recorded }: Pick<RecordedPart, 'target' | 'evaluated'>,
  coverage: TaskCoverage,
  isForced: boolean,
): BackfillPart {
  const failing = createFailingBlocks()
  let evaluated = recorded
  const remaining = (): BlockSet => difference(target, isForced ? evaluated : union(evaluated, coverage.evaluated))

  return {
    coverage,
    failing,
    next(nowMs) {
      const open = difference(remaining(), failing.resting(nowMs))
      const wanted = failing.isStuck ? intersection(open, failing.all) : open
      if (isForced) return wanted[0]
      for (const range of wanted) {
        const [free] = coverage.missing(range)
        if (free !== undefined) return free
      }
      return undefined
    },
    done({ from, to }) {
      failing.cleared(from, to)
      evaluated = union(evaluated, [{ from, to }])
    },
    get remaining() {
      return remaining()
    },
    get isSettled() {
      return failing.isHopeless || difference(remaining(), failing.givenUp).length === 0
    },
  }
}
