/** Which coverage is asked for; what is left out is not limited. Blocks are both included. */
export interface CoverageFilter {
  readonly chain?: string | undefined
  readonly task?: string | undefined
  readonly argsHash?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The parameters `$1` to `$5` of statements that are limited by a filter. */
export function filterValues({ chain, task, argsHash, from, to }: CoverageFilter): readonly unknown[] {
  return [chain ?? null, task ?? null, argsHash ?? null, from ?? null, to ?? null]
}

/** Limits rows of coverage, or of a table with columns of the same names. */
export const isWanted = (table: string): string => `
  ($1::text is null or ${table}.chain = $1) and ($2::text is null or ${table}.task = $2)
  and ($3::text is null or ${table}.args_hash = $3)`

/** Limits tasks to those of blocks that are asked for. */
export const IS_BLOCK_WANTED = `
  block_number is not null and ($4::bigint is null or block_number >= $4) and ($5::bigint is null or block_number <= $5)`

/** A task that stays behind the head of its chain for longer is stuck, and does not just work on it. */
const STUCK_AFTER = `interval '30 seconds'`

/**
 * For each row of coverage: `head_number`, the head on record that the task follows, null when none is; and of the blocks that are
 * asked for, `seen`, those that were evaluated, and `hole`, those that were not. Holes are looked for from the start block to
 * the highest evaluated one. What lies between that and the head is being worked on; it counts too when the head went on for 30
 * seconds and the coverage did not.
 */
export const SEEN_AND_HOLES = `
  left join blockmill.chain as chain on chain.id = coverage.chain
  cross join lateral (
    select int8multirange(int8range($4::bigint, $5::bigint, '[]')) as asked,
      case coverage.head when 'latest' then chain.latest_number else chain.finalized_number end as head_number
  ) as limits
  cross join lateral (
    select greatest(upper(evaluated) - 1,
      case when chain.heads_at - coverage.updated_at > ${STUCK_AFTER} then head_number end) as last
  ) as due
  cross join lateral (
    select evaluated * asked as seen,
      case when last >= start_block then (int8multirange(int8range(start_block, last, '[]')) - evaluated) * asked
        else '{}' end as hole
  ) as blocks`

/** Selects how many blocks and ranges a multirange has, as columns of a lateral table. */
export function sizeOf(multirange: string): string {
  return `select coalesce(sum(upper(range) - lower(range)), 0)::bigint as blocks, count(*) as ranges
    from unnest(${multirange}) as range`
}

/** Selects the first ranges of a multirange, or the last, as text. */
export function someOf(multirange: string, limit: number, end: 'first' | 'last' = 'first'): string {
  const order = end === 'first' ? '' : 'order by range desc'
  return `(select range_agg(range) from (select range from unnest(${multirange}) as range ${order} limit ${limit}) as shown)::text`
}
