import type { Query } from '@blockmill/core'

import { normalisedMessage } from './failure-fingerprint.ts'

/** Tasks whose last attempt failed in the same way. */
export interface FailureGroup {
  readonly fingerprint: string
  readonly task: string
  readonly errorName: string
  /** What the messages have in common. */
  readonly message: string
  /** Tasks that are in this state now. */
  readonly count: number
  /** Those of them that will be tried again. */
  readonly retrying: number
  readonly chains: readonly string[]
  readonly firstSeen: Date
  readonly lastSeen: Date
  /** The task that failed last. */
  readonly example: { readonly id: string; readonly message: string }
}

/** Which failures are grouped, and which page of the groups is meant. */
export interface FailureFilter {
  readonly task?: string | undefined
  readonly chain?: string | undefined
  /** Only tasks that failed since then. */
  readonly since?: Date | undefined
  /** Default 50. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly before?: FailurePosition | undefined
}

/** Behind which group a page begins: when that was last seen, in microseconds as ISO 8601, and its fingerprint. */
export interface FailurePosition {
  readonly time: string
  readonly fingerprint: string
}

const DEFAULT_LIMIT = 50
const MAX_MESSAGE = 500

// Everything but the examples comes from one index, which holds failures alone. By chain first: to collect the chains of all
// failures would take a sort of them.
const GROUPS = `
select failed.*, task.name as task, task.id, task.error ->> 'name' as error_name, task.error ->> 'message' as message
from (
  select fingerprint, sum(count)::bigint as count, sum(retrying)::bigint as retrying,
    array_agg(chain order by chain) as chains, min(first_seen) as first_seen, max(last_seen) as last_seen,
    to_char(max(last_seen) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time
  from (
    select fingerprint, chain, count(*) as count, count(*) filter (where status = 'retrying') as retrying,
      min(changed_at) as first_seen, max(changed_at) as last_seen
    from blockmill.task
    where fingerprint is not null
      and ($1::text is null or name = $1) and ($2::text is null or chain = $2)
      and ($3::timestamptz is null or changed_at >= $3)
    group by fingerprint, chain
  ) as on_chain
  group by fingerprint
  having $4::timestamptz is null or (max(last_seen), fingerprint) < ($4, $5)
  order by max(last_seen) desc, fingerprint desc
  limit $6
) as failed
cross join lateral (
  select id, name, error from blockmill.task
  where task.fingerprint = failed.fingerprint and ($2::text is null or chain = $2) order by changed_at desc limit 1
) as task
order by failed.last_seen desc, failed.fingerprint desc`

interface GroupRow {
  readonly fingerprint: string
  readonly task: string
  readonly error_name: string | null
  readonly message: string | null
  readonly count: number
  readonly retrying: number
  readonly chains: readonly string[]
  readonly first_seen: Date
  readonly last_seen: Date
  readonly time: string
  readonly id: string
}

/** Groups of failures, those that were seen last first. A task that succeeds later leaves its group. */
export async function readFailures(
  query: Query,
  { task, chain, since, limit = DEFAULT_LIMIT, before }: FailureFilter,
): Promise<{ readonly groups: FailureGroup[]; readonly next?: FailurePosition }> {
  const rows = await query<GroupRow>(GROUPS, [
    task ?? null,
    chain ?? null,
    since ?? null,
    before?.time ?? null,
    before?.fingerprint ?? null,
    limit + 1,
  ])
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    groups: page.map(groupOf),
    ...(rows.length > limit && last !== undefined && { next: { time: last.time, fingerprint: last.fingerprint } }),
  }
}

function groupOf({ message, ...row }: GroupRow): FailureGroup {
  return {
    fingerprint: row.fingerprint,
    task: row.task,
    errorName: row.error_name ?? 'Error',
    message: normalisedMessage(message ?? '').slice(0, MAX_MESSAGE),
    count: row.count,
    retrying: row.retrying,
    chains: row.chains,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    example: { id: row.id, message: (message ?? '').slice(0, MAX_MESSAGE) },
  }
}
