import {
  type BlockSet,
  fromMultirange,
  gaps,
  type Head,
  intersection,
  type JsonObject,
  type Query,
} from '@blockmill/core'

import { type CoverageFilter, filterValues, isWanted } from './coverage-filter.ts'

/** Which blocks of one task with one set of arguments were evaluated, and which were not, of those that are asked for. */
export interface CoveredBlocks {
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
  readonly evaluated: BlockSet
  /**
   * Blocks from the start to the highest evaluated one that were not evaluated. What lies between that and the head is being
   * worked on; it counts too when the head went on for 30 seconds and the task did not.
   */
  readonly missing: BlockSet
  readonly updatedAt: Date
}

/** Rows that a page begins behind, and how many it may have. */
export interface CoveragePage {
  /** Chain, task, hash of the arguments, head. */
  readonly after: readonly string[] | null
  readonly limit: number
}

// A task that stays behind the head of its chain for longer is stuck, and does not just work on it.
const COVERAGE = `
  select coverage.chain, task, args_hash, head, args, start_block, updated_at, evaluated::text,
    case head when 'latest' then chain.latest_number else chain.finalized_number end as head_number,
    coalesce(chain.heads_at - coverage.updated_at > interval '30 seconds', false) as is_stuck
  from blockmill.coverage left join blockmill.chain as chain on chain.id = coverage.chain
  where ${isWanted('coverage')} and ($4::text[] is null or array[coverage.chain, task, args_hash, head] > $4)
  order by coverage.chain, task, args_hash, head limit $5::int`

/** Coverage of every chain, task and set of arguments that is asked for, in this order. */
export async function readCoveredBlocks(
  query: Query,
  filter: CoverageFilter,
  { after, limit }: CoveragePage = { after: null, limit: 2 ** 31 - 1 },
): Promise<CoveredBlocks[]> {
  const rows = await query<CoverageRow>(COVERAGE, [...filterValues(filter), after, limit])
  return rows.map((row) => coveredBlocks(row, filter))
}

interface CoverageRow {
  readonly chain: string
  readonly task: string
  readonly args_hash: string
  readonly head: Head
  readonly args: JsonObject
  readonly start_block: number
  readonly updated_at: Date
  readonly evaluated: string
  readonly head_number: number | null
  readonly is_stuck: boolean
}

function coveredBlocks(row: CoverageRow, { from = 0, to = Number.MAX_SAFE_INTEGER }: CoverageFilter): CoveredBlocks {
  const evaluated = fromMultirange(row.evaluated)
  const evaluatedTo = evaluated.at(-1)?.to ?? null
  const last = Math.max(evaluatedTo ?? -1, row.is_stuck ? (row.head_number ?? -1) : -1)
  const due = { from: Math.max(from, row.start_block), to: Math.min(to, last) }
  return {
    chain: row.chain,
    task: row.task,
    argsHash: row.args_hash,
    args: row.args,
    head: row.head,
    startBlock: row.start_block,
    headNumber: row.head_number,
    evaluatedTo,
    evaluated: intersection(evaluated, [{ from, to }]),
    missing: due.from <= due.to ? gaps(evaluated, due) : [],
    updatedAt: row.updated_at,
  }
}
