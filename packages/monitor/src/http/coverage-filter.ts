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

/** Limits rows of coverage. */
export const IS_WANTED = `
  ($1::text is null or chain = $1) and ($2::text is null or task = $2) and ($3::text is null or args_hash = $3)`

/** Limits tasks to those of blocks that are asked for. */
export const IS_BLOCK_WANTED = `
  block_number is not null and ($4::bigint is null or block_number >= $4) and ($5::bigint is null or block_number <= $5)`

/**
 * For each row of coverage, of the blocks that are asked for: `seen` are those that were evaluated, `hole` are those that
 * were not, from the start block to the highest that was.
 */
export const SEEN_AND_HOLES = `
  cross join lateral (select int8multirange(int8range($4::bigint, $5::bigint, '[]')) as asked) as asked
  cross join lateral (
    select evaluated * asked as seen,
      case when isempty(evaluated) then '{}'
        else (int8multirange(int8range(start_block, greatest(upper(evaluated), start_block))) - evaluated) * asked end as hole
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
