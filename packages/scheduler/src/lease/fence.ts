import { RetryableError } from '@blockmill/core'

import type { Sql } from '../sql.ts'

/**
 * The first part of every write of a leader: one row while its lease is held, none after. Takes the chain as `$1` and the
 * token as `$2`. Locks the lease until the statement ends, so that a take-over comes before the write or after it, never in
 * between.
 */
export const FENCE = `fence as (select 1 from blockmill.scheduler_lease where chain = $1 and token = $2::bigint for share)`

/** What a fenced write answers with, so that `fencedWrite` sees whether it was refused. */
export const HELD = `(select count(*) from fence)::int as held`

/**
 * Runs a write that begins with the fence and selects `HELD`.
 *
 * @param values the parameters from `$3` on.
 * @throws RetryableError `SCHEDULER_LEASE_LOST` when another scheduler leads, and nothing was written;
 * `DATABASE_UNREACHABLE`.
 */
export async function fencedWrite<Row extends object>(
  sql: Sql,
  statement: string,
  { chain, token }: { readonly chain: string; readonly token: number },
  values: readonly unknown[],
): Promise<Row> {
  const [result] = await sql.query<Row & { readonly held: number }>(statement, [chain, token, ...values])
  if (result?.held === 1) return result
  throw new RetryableError(
    'SCHEDULER_LEASE_LOST',
    `Another scheduler has taken over chain '${chain}': what is written with token ${token} is refused.`,
  )
}
