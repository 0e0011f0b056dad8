import { type BlockSet, type Query, setSize } from '@blockmill/core'

import type { CoverageFilter } from './coverage-filter.ts'
import { type CoveredBlocks, readCoveredBlocks } from './covered-blocks.ts'
import { MAX_RANGES, readOpenBlocks } from './open-blocks.ts'

/** How far one task with one set of arguments has come on a chain. */
export interface CoverageView extends Omit<CoveredBlocks, 'evaluated' | 'missing'> {
  readonly evaluatedCount: number
  /** The latest evaluated ranges, ascending; `isCut` says whether there are more. */
  readonly evaluated: Ranges
  /** Blocks that were not evaluated: see `CoveredBlocks.missing`. */
  readonly gapCount: number
  readonly gaps: Ranges
  /** Blocks whose task waits or runs. */
  readonly unfinished: number
  /** Blocks whose task failed for good. */
  readonly failed: number
  /** So many of either that not all were looked at: there may be more than were counted. */
  readonly isCountCut?: true
}

interface Ranges {
  readonly ranges: BlockSet
  readonly isCut: boolean
}

/** Coverage of every chain, task and set of arguments that is asked for, in this order. */
export async function readCoverage(query: Query, filter: CoverageFilter = {}): Promise<CoverageView[]> {
  const sets = await readCoveredBlocks(query, filter)
  const openBlocks = await readOpenBlocks(query, sets, filter)
  return sets.map(({ evaluated, missing, ...one }) => {
    const { unfinished, failed } = openBlocks(one)
    return {
      ...one,
      evaluatedCount: setSize(evaluated),
      evaluated: { ranges: evaluated.slice(-MAX_RANGES), isCut: evaluated.length > MAX_RANGES },
      gapCount: setSize(missing),
      gaps: { ranges: missing.slice(0, MAX_RANGES), isCut: missing.length > MAX_RANGES },
      unfinished: unfinished.count,
      failed: failed.count,
      ...((unfinished.isCountCut ?? failed.isCountCut) && { isCountCut: true }),
    }
  })
}
