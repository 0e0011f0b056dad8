/** Which coverage is asked for; what is left out is not limited. Blocks are both included. */
export interface CoverageFilter {
  readonly chain?: string | undefined
  readonly task?: string | undefined
  readonly argsHash?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The parameters `$1` to `$3` of statements that are limited to some rows. */
export function filterValues({ chain, task, argsHash }: CoverageFilter): readonly unknown[] {
  return [chain ?? null, task ?? null, argsHash ?? null]
}

/** Limits rows of coverage, or of a table with columns of the same names. */
export const isWanted = (table: string): string => `
  ($1::text is null or ${table}.chain = $1) and ($2::text is null or ${table}.task = $2)
  and ($3::text is null or ${table}.args_hash = $3)`

/** Limits tasks to those of blocks that are asked for, by the parameters `$4` and `$5`. */
export const IS_BLOCK_WANTED = `
  block_number is not null and ($4::bigint is null or block_number >= $4) and ($5::bigint is null or block_number <= $5)`
