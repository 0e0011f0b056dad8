import { type Query, setSize } from '@blockmill/core'

import type { CoverageFilter } from './coverage-filter.ts'
import { type CoveredBlocks, readCoveredBlocks } from './covered-blocks.ts'
import { MAX_RANGES, readOpenBlocks, type SomeBlocks } from './open-blocks.ts'

/** What one task with one set of arguments lacks on a chain. */
export interface GapsView extends Omit<CoveredBlocks, 'evaluated' | 'missing'> {
  /** Evaluated blocks among those that are asked for. */
  readonly evaluatedCount: number
  /** Blocks that were not evaluated: see `CoveredBlocks.missing`. */
  readonly missing: SomeBlocks
  /** Blocks whose task waits or runs. */
  readonly unfinished: SomeBlocks
  /** Blocks whose task failed for good. */
  readonly failed: SomeBlocks
}

/** Which gaps are asked for, and which page of them. */
export interface GapsFilter extends CoverageFilter {
  /** Most rows of a page. Default 50. */
  readonly limit?: number | undefined
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

/** One page of gaps, and where the next one begins. */
export interface GapsPage {
  readonly gaps: readonly GapsView[]
  /** Absent on the last page. */
  readonly nextCursor?: string
}

const DEFAULT_LIMIT = 50

/**
 * What is not done, for every chain, task and set of arguments that is asked for: blocks that were never evaluated, and
 * blocks whose task is unfinished or has failed. Tasks that were pruned were finished: their blocks are no gaps.
 */
export async function readGaps(query: Query, filter: GapsFilter = {}): Promise<GapsPage> {
  const { limit = DEFAULT_LIMIT, cursor } = filter
  const after = cursor?.split('/') ?? null
  const sets = await readCoveredBlocks(query, filter, { after, limit: limit + 1 })
  const page = sets.slice(0, limit)
  const last = page.at(-1)
  const openBlocks = await readOpenBlocks(query, page, filter)
  const gaps = page.map(({ evaluated, missing, ...one }) => ({
    ...one,
    evaluatedCount: setSize(evaluated),
    missing: {
      count: setSize(missing),
      ranges: missing.slice(0, MAX_RANGES),
      isCut: missing.length > MAX_RANGES,
    },
    ...openBlocks(one),
  }))
  return { gaps, ...(sets.length > limit && last !== undefined && { nextCursor: cursorOf(last) }) }
}

function cursorOf({ chain, task, argsHash, head }: CoveredBlocks): string {
  // None of the names may contain a slash.
  return [chain, task, argsHash, head].join('/')
}
