import { type BlockSet, type Query, setSize } from '@blockmill/core'

import { type CoverageFilter, filterValues, IS_BLOCK_WANTED, isWanted } from './coverage-filter.ts'
import { type CoveredBlocks, readCoveredBlocks } from './covered-blocks.ts'

/** How far one task with one set of arguments has come on a chain. */
export interface CoverageView extends Omit<CoveredBlocks, 'evaluated' | 'missing'> {
  readonly evaluatedCount: number
  /** The latest evaluated ranges, ascending; `isCut` says whether there are more. */
  readonly evaluated: Ranges
  /** Blocks that were not evaluated: see `CoveredBlocks.missing`. */
  readonly gapCount: number
  readonly gaps: Ranges
  /** Tasks of blocks that wait or run. */
  readonly unfinished: number
  /** Tasks of blocks that failed for good. */
  readonly failed: number
}

interface Ranges {
  readonly ranges: BlockSet
  readonly isCut: boolean
}

/** Most ranges that are shown. Coverage is few ranges, unless somebody back-filled in a pattern. */
const MAX_RANGES = 100

// From the partial indexes alone, which hold what is not done: their size does not depend on how much is.
const countTasks = (states: string): string => `
  select chain, task, args_hash, count(*) as count
  from (select chain, name as task, args_hash, block_number from blockmill.task where status in (${states})) as task
  where ${isWanted('task')} and ${IS_BLOCK_WANTED} group by chain, task, args_hash`
const UNFINISHED = countTasks(`'scheduled', 'running', 'retrying', 'postponed'`)
const FAILED = countTasks(`'failed', 'dead'`)

/** Coverage of every chain, task and set of arguments that is asked for, in this order. */
export async function readCoverage(query: Query, filter: CoverageFilter = {}): Promise<CoverageView[]> {
  const values = [...filterValues(filter), filter.from ?? null, filter.to ?? null]
  const [sets, unfinished, failed] = await Promise.all([
    readCoveredBlocks(query, filter),
    query<CountRow>(UNFINISHED, values).then(byKey),
    query<CountRow>(FAILED, values).then(byKey),
  ])
  return sets.map(({ evaluated, missing, ...one }) => {
    const key = keyOf(one.chain, one.task, one.argsHash)
    return {
      ...one,
      evaluatedCount: setSize(evaluated),
      evaluated: { ranges: evaluated.slice(-MAX_RANGES), isCut: evaluated.length > MAX_RANGES },
      gapCount: setSize(missing),
      gaps: { ranges: missing.slice(0, MAX_RANGES), isCut: missing.length > MAX_RANGES },
      unfinished: unfinished.get(key) ?? 0,
      failed: failed.get(key) ?? 0,
    }
  })
}

interface CountRow {
  readonly chain: string
  readonly task: string
  readonly args_hash: string | null
  readonly count: number
}

function byKey(rows: readonly CountRow[]): ReadonlyMap<string, number> {
  return new Map(rows.map((row) => [keyOf(row.chain, row.task, row.args_hash), row.count]))
}

function keyOf(chain: string, task: string, argsHash: string | null): string {
  return JSON.stringify([chain, task, argsHash])
}
