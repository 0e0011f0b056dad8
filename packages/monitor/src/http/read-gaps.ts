import { type BlockSet, fromMultirange, type Head, type JsonObject, type Query } from '@blockmill/core'

import { type CoverageFilter, filterValues, isWanted, SEEN_AND_HOLES, sizeOf, someOf } from './coverage-filter.ts'

/** Some blocks: how many in all, and the lowest ranges of them. */
export interface SomeBlocks {
  /** Complete, also when the ranges are cut. */
  readonly count: number
  /** Ascending, both ends included; at most 100. */
  readonly ranges: BlockSet
  /** True when there are more ranges than these. */
  readonly isCut: boolean
}

/** What one task with one set of arguments lacks on a chain. */
export interface GapsView {
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
  /** Evaluated blocks among those that are asked for. */
  readonly evaluatedCount: number
  /**
   * Blocks from the start to the highest evaluated one that were not evaluated; up to the head, when the head went on for 30
   * seconds and the task did not.
   */
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

const MAX_RANGES = 100
const DEFAULT_LIMIT = 50

const ROWS = `
  select coverage.chain, task, args_hash, head, args, start_block, head_number, upper(evaluated) - 1 as evaluated_to,
    size.blocks as evaluated_count, missing.blocks as count, missing.ranges, ${someOf('hole', MAX_RANGES)} as shown
  from blockmill.coverage
  ${SEEN_AND_HOLES}
  cross join lateral (${sizeOf('seen')}) as size
  cross join lateral (${sizeOf('hole')}) as missing
  where ${isWanted('coverage')} and ($6::text[] is null or array[coverage.chain, task, args_hash, head] > $6)
  order by coverage.chain, task, args_hash, head limit $7::int`

// From the partial indexes alone. Tasks that are not for a block, and batches of blocks, have no coverage.
const blocksOf = (tasks: string): string => `
  select chain, name as task, args_hash, size.blocks as count, size.ranges, ${someOf('found.blocks', MAX_RANGES)} as shown
  from (
    select chain, name, args_hash, range_agg(int8range(block_number, block_number + 1)) as blocks
    from ${tasks}
    where block_number is not null
      and (chain, name, args_hash) in (select * from unnest($1::text[], $2::text[], $3::text[]))
      and ($4::bigint is null or block_number >= $4) and ($5::bigint is null or block_number <= $5)
    group by chain, name, args_hash
  ) as found
  cross join lateral (${sizeOf('found.blocks')}) as size`
// `offset 0`: all of the small index is read first, and no index over the whole history can look cheaper.
const UNFINISHED = blocksOf(`(
  select chain, name, args_hash, block_number from blockmill.task
  where status in ('scheduled', 'running', 'retrying', 'postponed') offset 0) as task`)
const FAILED = blocksOf(`(
  select chain, name, args_hash, block_number from blockmill.task where status in ('failed', 'dead')) as task`)

/**
 * What is not done, for every chain, task and set of arguments that is asked for: blocks that were never evaluated, and
 * blocks whose task is unfinished or has failed. Tasks that were pruned were finished: their blocks are no gaps.
 */
export async function readGaps(query: Query, filter: GapsFilter = {}): Promise<GapsPage> {
  const { limit = DEFAULT_LIMIT, cursor, from = null, to = null } = filter
  const rows = await query<GapsRow>(ROWS, [...filterValues(filter), cursor?.split('/') ?? null, limit + 1])
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const keys = [page.map(({ chain }) => chain), page.map(({ task }) => task), page.map((row) => row.args_hash)]
  const [unfinished, failed] = await Promise.all(
    [UNFINISHED, FAILED].map(async (statement) => byKey(await query<BlocksRow>(statement, [...keys, from, to]))),
  )
  const gaps = page.map((row) => ({
    chain: row.chain,
    task: row.task,
    argsHash: row.args_hash,
    args: row.args,
    head: row.head,
    startBlock: row.start_block,
    headNumber: row.head_number,
    evaluatedTo: row.evaluated_to,
    evaluatedCount: row.evaluated_count,
    missing: someBlocks(row),
    unfinished: someBlocks(unfinished?.get(keyOf(row))),
    failed: someBlocks(failed?.get(keyOf(row))),
  }))
  return { gaps, ...(rows.length > limit && last !== undefined && { nextCursor: cursorOf(last) }) }
}

interface BlocksRow {
  readonly chain: string
  readonly task: string
  readonly args_hash: string
  readonly count: number
  readonly ranges: number
  readonly shown: string | null
}

interface GapsRow extends BlocksRow {
  readonly head: Head
  readonly args: JsonObject
  readonly start_block: number
  readonly head_number: number | null
  readonly evaluated_to: number | null
  readonly evaluated_count: number
}

function someBlocks(row: BlocksRow | undefined): SomeBlocks {
  if (row === undefined) return { count: 0, ranges: [], isCut: false }
  return { count: row.count, ranges: fromMultirange(row.shown ?? '{}'), isCut: row.ranges > MAX_RANGES }
}

function byKey(rows: readonly BlocksRow[]): ReadonlyMap<string, BlocksRow> {
  return new Map(rows.map((row) => [keyOf(row), row]))
}

function keyOf({ chain, task, args_hash: argsHash }: Pick<BlocksRow, 'chain' | 'task' | 'args_hash'>): string {
  return `${chain}/${task}/${argsHash}`
}

// None of the four may contain a slash.
function cursorOf(row: GapsRow): string {
  return `${keyOf(row)}/${row.head}`
}
