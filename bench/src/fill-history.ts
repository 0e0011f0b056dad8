import { argsHash, type Database } from '@blockmill/core'

import { bulkLoadTasks } from './bulk-load.ts'

/** Tasks of one definition with one set of arguments, at every n-th block. */
interface TaskSet {
  readonly name: string
  readonly args: { readonly netuid: number }
  readonly queue: string
  readonly every: number
}

const NETUIDS = [1, 3, 22]
const sets = (name: string, queue: string, every: number): TaskSet[] =>
  NETUIDS.map((netuid) => ({ name, args: { netuid }, queue, every }))

/** Definitions as an installation may have them: some for every block, others rare, in four queues. */
const SETS: readonly TaskSet[] = [
  ...['index-transfers', 'index-weights', 'track-stake', 'watch-registrations'].flatMap((name) =>
    sets(name, 'default', 1),
  ),
  ...['snapshot-subnet', 'snapshot-validators', 'check-balances'].flatMap((name) => sets(name, 'high-priority', 2)),
  ...['aggregate-emissions', 'export-metagraph'].flatMap((name) => sets(name, 'reports', 10)),
  ...sets('audit-supply', 'nightly', 7_200),
]
const ROWS_PER_BLOCK = SETS.reduce((sum, { every }) => sum + 1 / every, 0)

const BLOCKS_PER_STATEMENT = 20_000

// The last blocks are not done. Of the rest, 120 tasks of 10,000 failed for good, 10 are dead, 20 were cancelled, 30 orphaned, 10
// are being retried, and 300 succeeded at their second attempt.
const STATUS = `case
  when block > $7::bigint - $7::bigint / 500 then (array['scheduled', 'scheduled', 'running', 'postponed'])[1 + lot % 4]
  when lot < 120 then 'failed' when lot < 130 then 'dead' when lot < 150 then 'cancelled' when lot < 180 then 'orphaned'
  when lot < 190 then 'retrying'
  else 'succeeded' end`

const ERROR = `jsonb_build_object(
  'name', (array['RpcError', 'TimeoutError', 'TypeError', 'HttpError'])[1 + kind],
  'message', (array['the node gave up at block ', 'no answer within 25m for block ', 'no such key at ', 'HTTP 429 at '])[1 + kind] || block,
  'stack', 'Error: it failed' || repeat(E'\\n    at step (file:///app/tasks/' || name || '.ts:21:7)', 8),
  'classes', '[]'::jsonb)`

// Ids as the scheduler makes them: the block in front, then what looks random. The first third of the blocks was back-filled not
// long ago, so that neither block nor id says when it ran.
const INSERT_TASKS = `
  insert into blockmill.task (id, chain, name, queue, lane, priority, block_number, args, args_hash, cause, status, attempt, postpones,
    max_attempts, scheduled_at, changed_at, started_at, finished_at, next_attempt_at, worker, result, error, fingerprint, reason)
  select (lpad(to_hex(block), 12, '0') || '8' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid,
    'bench', name, queue, case when is_filled then 'low' else 'normal' end, case when is_filled then 20 else 10 end, block, args,
    args_hash, case when is_filled then 'backfill' else 'live' end, status, attempt, 0, 3, time, time + run,
    case when status <> 'scheduled' then time end, case when is_final then time + run end,
    case when status in ('retrying', 'postponed') then time + interval '5 minutes' end,
    case when status <> 'scheduled' then 'worker-' || lot % 8 end,
    case when status = 'succeeded' then jsonb_build_object('neurons', block % 256, 'hash', digest, 'stake', lot * 1e9) end,
    case when has_failed then ${ERROR} end,
    case when has_failed then substr(md5(name || kind), 1, 16) end,
    case when status in ('cancelled', 'orphaned', 'failed') then 'because of ' || lot % 5 end
  from unnest($1::text[], $2::jsonb[], $3::text[], $4::text[], $5::int[]) as one (name, args, args_hash, queue, every)
  cross join generate_series($6::bigint, least($6::bigint + ${BLOCKS_PER_STATEMENT - 1}, $7::bigint)) as block
  cross join lateral (select md5(name || args_hash || block) as digest) as hashed
  cross join lateral (select ('x' || substr(digest, 20, 7))::bit(28)::int % 10000 as lot) as drawn
  cross join lateral (select ${STATUS} as status, lot % 4 as kind, block < $7::bigint / 3 as is_filled,
    interval '1 millisecond' * (20 + lot) as run) as decided
  cross join lateral (select status in ('failed', 'dead', 'retrying') as has_failed,
    status in ('succeeded', 'failed', 'dead', 'cancelled', 'orphaned') as is_final,
    case when status in ('failed', 'dead') then 3 
      when status = 'retrying' or (status = 'succeeded' and lot < 490) then 2 else 1 end as attempt,
    $8::timestamptz - case when is_filled then block * interval '0.5 seconds'
      else ($7::bigint - block) * interval '12 seconds' end as time) as details
  where block % every = 0`

// What was enqueued by hand has no block and an id that sorts by time.
const INSERT_AD_HOC_TASKS = `
  insert into blockmill.task (id, chain, name, queue, lane, priority, args, args_hash, cause, status, attempt, postpones, max_attempts,
    scheduled_at, changed_at, started_at, finished_at, worker, result)
  select (lpad(to_hex((extract(epoch from time) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
      || substr(md5(n::text), 4, 15))::uuid,
    'bench', 'recount', 'default', 'high', 1, '{}', $2, 'manual', 'succeeded', 1, 0, 3, time, time, time, time, 'worker-1', '{}'
  from generate_series(1, $1::int) as n
  cross join lateral (select $3::timestamptz - n * interval '1 minute' as time) as details`

const INSERT_ATTEMPTS = `
  insert into blockmill.task_attempt (task_id, generation, attempt, postpones, outcome, started_at, finished_at, worker, error, delay_ms)
  select id, 0, one.attempt, 0, case when one.attempt = task.attempt then 'failed' else 'retrying' end, started_at, changed_at,
    worker, coalesce(error, '{"name": "RpcError", "message": "the node gave up", "classes": []}'), 60000
  from blockmill.task cross join lateral generate_series(1, task.attempt - (status = 'succeeded')::int) as one (attempt)
  where task.attempt > 1`

// Twenty gaps of a block each.
const INSERT_COVERAGE = `
  insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
  select 'bench', name, args_hash, 'finalized', args, 1, int8multirange(int8range(1, $4::bigint + 1)) - gaps
  from unnest($1::text[], $2::jsonb[], $3::text[]) as one (name, args, args_hash)
  cross join (select range_agg(int8range(n * ($4::bigint / 21), n * ($4::bigint / 21) + 1)) as gaps
    from generate_series(1, 20) as n) as holes`

const INSERT_WORKERS = `
  insert into blockmill.worker (name, host, pid, queues, concurrency, started_at, last_seen_at, state, running, rss_bytes,
    event_loop_lag_ms)
  select 'worker-' || n, 'bench', n, '["default", "high-priority", "reports", "nightly"]', 50, $1::timestamptz - interval '9 days',
    $1, 'running', '[]', 150000000, 1 from generate_series(0, 7) as n`

/**
 * Fills an empty record with tasks of ten definitions for as many blocks as it takes: nearly all succeeded, some in every other
 * state, with results, errors and earlier attempts. Five million take two to four minutes and 5 GB.
 *
 * @returns the number of tasks; at least `rows`.
 */
export async function fillHistory({ query }: Pick<Database, 'query'>, rows: number): Promise<number> {
  const blocks = Math.ceil(rows / ROWS_PER_BLOCK)
  const now = new Date()
  const identities = [
    SETS.map(({ name }) => name),
    SETS.map(({ args }) => JSON.stringify(args)),
    SETS.map(({ args }) => argsHash(args)),
  ]
  const columns = [...identities, SETS.map(({ queue }) => queue), SETS.map(({ every }) => every)]
  await bulkLoadTasks(query, async () => {
    for (let from = 1; from <= blocks; from += BLOCKS_PER_STATEMENT) {
      await query(INSERT_TASKS, [...columns, from, blocks, now])
    }
    await query(INSERT_AD_HOC_TASKS, [Math.ceil(rows / 1_000), argsHash({}), now])
    await query(INSERT_ATTEMPTS)
    await query(INSERT_COVERAGE, [...identities, blocks])
    await query(INSERT_WORKERS, [now])
  })
  const [row] = await query<{ count: number }>('select sum(count)::bigint as count from blockmill.task_count')
  return row?.count ?? 0
}
