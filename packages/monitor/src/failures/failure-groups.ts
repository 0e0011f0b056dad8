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
  /** So many that not all were counted: there may be more of both. */
  readonly isCountCut?: true
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

/** Most tasks that are counted for one page; its groups share them. */
const MOST_COUNTED = 50_000

// From one index, which holds failures alone, by kind, chain and time. A step of the recursion finds the next kind, or the next
// chain of a kind, so the cost is that of the kinds, however many failures are of each. A kind is of one task.
const GROUPS = `
with recursive kind as (
  (select fingerprint, chain from blockmill.task where fingerprint is not null order by fingerprint, chain limit 1)
  union all
  select next.* from kind cross join lateral (
    select fingerprint, chain from blockmill.task
    where fingerprint is not null and (fingerprint, chain) > (kind.fingerprint, kind.chain)
    order by fingerprint, chain limit 1
  ) as next
), failed as (
  select fingerprint, array_agg(kind.chain order by kind.chain) as chains, min(first.changed_at) as first_seen,
    max(last.changed_at) as last_seen, (array_agg(kind.chain order by last.changed_at desc))[1] as last_chain
  from kind
  cross join lateral (
    select changed_at, name from blockmill.task
    where task.fingerprint = kind.fingerprint and task.chain = kind.chain order by changed_at desc limit 1
  ) as last
  cross join lateral (
    select changed_at from blockmill.task
    where task.fingerprint = kind.fingerprint and task.chain = kind.chain
      and ($3::timestamptz is null or changed_at >= $3)
    order by changed_at limit 1
  ) as first
  where ($1::text is null or last.name = $1) and ($2::text is null or kind.chain = $2)
  group by fingerprint
  having $4::timestamptz is null or (max(last.changed_at), fingerprint) < ($4, $5)
  order by last_seen desc, fingerprint desc
  limit $6
)
select failed.*, counted.*, to_char(last_seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time,
  example.id, example.name as task, example.error ->> 'name' as error_name, example.error ->> 'message' as message
from failed
cross join lateral (
  select count(*) as count, count(*) filter (where status = 'retrying') as retrying from (
    select status from blockmill.task
    where task.fingerprint = failed.fingerprint and chain = any(failed.chains)
      and ($3::timestamptz is null or changed_at >= $3)
    limit $7
  ) as one
) as counted
cross join lateral (
  select id, name, error from blockmill.task
  where task.fingerprint = failed.fingerprint and chain = failed.last_chain order by changed_at desc limit 1
) as example
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

/**
 * Groups of failures, those that were seen last first. A task that succeeds later leaves its group. What a page costs grows with
 * how many kinds of failures there are, and not with how many failures: of large groups, not all tasks are counted.
 *
 * @param mostCounted tasks on a page. Default 50,000.
 */
export async function readFailures(
  query: Query,
  { task, chain, since, limit = DEFAULT_LIMIT, before }: FailureFilter,
  mostCounted = MOST_COUNTED,
): Promise<{ readonly groups: FailureGroup[]; readonly next?: FailurePosition }> {
  const mostOfEach = Math.ceil(mostCounted / limit)
  const rows = await query<GroupRow>(GROUPS, [
    task ?? null,
    chain ?? null,
    since ?? null,
    before?.time ?? null,
    before?.fingerprint ?? null,
    limit + 1,
    mostOfEach,
  ])
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    groups: page.map((row) => groupOf(row, mostOfEach)),
    ...(rows.length > limit && last !== undefined && { next: { time: last.time, fingerprint: last.fingerprint } }),
  }
}

function groupOf({ message, ...row }: GroupRow, mostOfEach: number): FailureGroup {
  return {
    fingerprint: row.fingerprint,
    task: row.task,
    errorName: row.error_name ?? 'Error',
    message: normalisedMessage(message ?? '').slice(0, MAX_MESSAGE),
    count: row.count,
    retrying: row.retrying,
    ...(row.count >= mostOfEach && { isCountCut: true }),
    chains: row.chains,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    example: { id: row.id, message: (message ?? '').slice(0, MAX_MESSAGE) },
  }
}
