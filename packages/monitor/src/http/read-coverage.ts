import { type BlockSet, fromMultirange, type Head, type JsonObject, type Query } from '@blockmill/core'

import {
  type CoverageFilter,
  filterValues,
  IS_BLOCK_WANTED,
  isWanted,
  SEEN_AND_HOLES,
  sizeOf,
  someOf,
} from './coverage-filter.ts'

/** How far one task with one set of arguments has come on a chain. */
export interface CoverageView {
  readonly chain: string
  readonly task: string
  readonly argsHash: string
  readonly args: JsonObject
  readonly head: Head
  readonly startBlock: number
  /** The head on record that the task follows; null when there is none. */
  readonly headNumber: number | null
  /** The highest evaluated block; null when there is none. */
  readonly evaluatedTo: number | null
  readonly evaluatedCount: number
  /** The latest evaluated ranges, ascending; `isCut` says whether there are more. */
  readonly evaluated: Ranges
  /** Blocks from the start on that were not evaluated: see `SEEN_AND_HOLES`. */
  readonly gapCount: number
  readonly gaps: Ranges
  /** Tasks of blocks that wait or run. */
  readonly unfinished: number
  /** Tasks of blocks that failed for good. */
  readonly failed: number
  readonly updatedAt: Date
}

interface Ranges {
  readonly ranges: BlockSet
  readonly isCut: boolean
}

/** Most ranges that are shown. Coverage is few ranges, unless somebody back-filled in a pattern. */
const MAX_RANGES = 100

const COVERAGE = `
  select coverage.chain, task, args_hash, head, args, start_block, updated_at, head_number, size.blocks as evaluated_count,
    size.ranges as evaluated_ranges, upper(evaluated) - 1 as evaluated_to,
    missing.blocks as gap_count, missing.ranges as gap_ranges,
    ${someOf('seen', MAX_RANGES, 'last')} as shown, ${someOf('hole', MAX_RANGES)} as shown_gaps
  from blockmill.coverage
  ${SEEN_AND_HOLES}
  cross join lateral (${sizeOf('seen')}) as size
  cross join lateral (${sizeOf('hole')}) as missing
  where ${isWanted('coverage')}
  order by coverage.chain, task, args_hash, head`

// From the partial indexes alone, which hold what is not done: their size does not depend on how much is.
const countTasks = (states: string): string => `
  select chain, task, args_hash, count(*) as count
  from (select chain, name as task, args_hash, block_number from blockmill.task where status in (${states})) as task
  where ${isWanted('task')} and ${IS_BLOCK_WANTED} group by chain, task, args_hash`
const UNFINISHED = countTasks(`'scheduled', 'running', 'retrying', 'postponed'`)
const FAILED = countTasks(`'failed', 'dead'`)

/** Coverage of every chain, task and set of arguments that is asked for, in this order. */
export async function readCoverage(query: Query, filter: CoverageFilter = {}): Promise<CoverageView[]> {
  const values = filterValues(filter)
  const [rows, unfinished, failed] = await Promise.all([
    query<CoverageRow>(COVERAGE, values),
    query<CountRow>(UNFINISHED, values).then(byKey),
    query<CountRow>(FAILED, values).then(byKey),
  ])
  return rows.map((row) => ({
    chain: row.chain,
    task: row.task,
    argsHash: row.args_hash,
    args: row.args,
    head: row.head,
    startBlock: row.start_block,
    headNumber: row.head_number,
    evaluatedTo: row.evaluated_to,
    evaluatedCount: row.evaluated_count,
    evaluated: { ranges: fromMultirange(row.shown ?? '{}'), isCut: row.evaluated_ranges > MAX_RANGES },
    gapCount: row.gap_count,
    gaps: { ranges: fromMultirange(row.shown_gaps ?? '{}'), isCut: row.gap_ranges > MAX_RANGES },
    unfinished: unfinished.get(keyOf(row)) ?? 0,
    failed: failed.get(keyOf(row)) ?? 0,
    updatedAt: row.updated_at,
  }))
}

interface CoverageKey {
  readonly chain: string
  readonly task: string
  readonly args_hash: string | null
}

interface CountRow extends CoverageKey {
  readonly count: number
}

interface CoverageRow extends CoverageKey {
  readonly args_hash: string
  readonly head: Head
  readonly args: JsonObject
  readonly start_block: number
  readonly updated_at: Date
  readonly head_number: number | null
  readonly evaluated_to: number | null
  readonly evaluated_count: number
  readonly evaluated_ranges: number
  readonly gap_count: number
  readonly gap_ranges: number
  readonly shown: string | null
  readonly shown_gaps: string | null
}

function byKey(rows: readonly CountRow[]): ReadonlyMap<string, number> {
  return new Map(rows.map((row) => [keyOf(row), row.count]))
}

function keyOf({ chain, task, args_hash: argsHash }: CoverageKey): string {
  return JSON.stringify([chain, task, argsHash])
}
