import { type BlockSet, fromMultirange, type Query, setSize } from '@blockmill/core'

import { type CoverageFilter, IS_BLOCK_WANTED } from './coverage-filter.ts'
import { type CoveredBlocks, readCoveredBlocks } from './covered-blocks.ts'

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

const MAX_RANGES = 100
const DEFAULT_LIMIT = 50

// From the partial indexes alone. Tasks that are not for a block, and batches of blocks, have no coverage. Cut here already: of
// these there may be millions.
const blocksOf = (tasks: string): string => `
  select chain, name as task, args_hash, size.*
  from (
    select chain, name, args_hash, range_agg(int8range(block_number, block_number + 1)) as blocks
    from ${tasks}
    where ${IS_BLOCK_WANTED} and (chain, name, args_hash) in (select * from unnest($1::text[], $2::text[], $3::text[]))
    group by chain, name, args_hash
  ) as found
  cross join lateral (
    select sum(upper(range) - lower(range))::bigint as count, count(*) as ranges,
      range_agg(range) filter (where number <= ${MAX_RANGES})::text as shown
    from unnest(blocks) with ordinality as one (range, number)
  ) as size`
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
  const after = cursor?.split('/') ?? null
  const sets = await readCoveredBlocks(query, filter, { after, limit: limit + 1 })
  const page = sets.slice(0, limit)
  const last = page.at(-1)
  const keys = [page.map(({ chain }) => chain), page.map(({ task }) => task), page.map(({ argsHash }) => argsHash)]
  const read = async (statement: string) => byKey(await query<BlocksRow>(statement, [...keys, from, to]))
  const [unfinished, failed] = await Promise.all([read(UNFINISHED), read(FAILED)])
  const gaps = page.map(({ evaluated, missing, ...one }) => {
    const key = keyOf(one.chain, one.task, one.argsHash)
    return {
      ...one,
      evaluatedCount: setSize(evaluated),
      missing: {
        count: setSize(missing),
        ranges: missing.slice(0, MAX_RANGES),
        isCut: missing.length > MAX_RANGES,
      },
      unfinished: unfinished.get(key) ?? NONE,
      failed: failed.get(key) ?? NONE,
    }
  })
  return { gaps, ...(sets.length > limit && last !== undefined && { nextCursor: cursorOf(last) }) }
}

interface BlocksRow {
  readonly chain: string
  readonly task: string
  readonly args_hash: string
  readonly count: number
  readonly ranges: number
  readonly shown: string
}

const NONE: SomeBlocks = { count: 0, ranges: [], isCut: false }

function byKey(rows: readonly BlocksRow[]): ReadonlyMap<string, SomeBlocks> {
  return new Map(
    rows.map(({ chain, task, args_hash: argsHash, count, ranges, shown }) => [
      keyOf(chain, task, argsHash),
      { count, ranges: fromMultirange(shown), isCut: ranges > MAX_RANGES },
    ]),
  )
}

// None of the names may contain a slash.
function keyOf(chain: string, task: string, argsHash: string): string {
  return `${chain}/${task}/${argsHash}`
}

function cursorOf({ chain, task, argsHash, head }: CoveredBlocks): string {
  return `${keyOf(chain, task, argsHash)}/${head}`
}
