import { argsHash, type Database } from '@blockmill/core'

import { bulkLoadTasks } from './bulk-load.ts'

/** How much is put on record. */
export interface RecordSize {
  /** Sets of (task, arguments), each with a row of coverage. */
  readonly sets: number
  /** Blocks of each; a multiple of 2,000. One task for each block and set. */
  readonly blocks: number
}

/** Blocks of one statement for one set: half a million rows at 200 sets. */
const BLOCKS_PER_STATEMENT = 2_500
const ARGS_PER_TASK = 10

// Blocks 1 to `last` of one set: of 10,000 tasks, 20 are unfinished (the last ones, and those that are retried) and 50 have
// failed (one by one, and in runs of five); the rest has succeeded.
const STATUS = `case
  when block > $6::bigint - $6::bigint / 1000 then case when block % 2 = 0 then 'scheduled' else 'running' end
  when block % 1000 = 500 then 'retrying'
  when block % 400 = 1 or block % 2000 between 100 and 104 then 'failed'
  else 'succeeded' end`

// Ids as the scheduler makes them: the block in front, then what looks random. Ordered by block, as time would.
const INSERT_TASKS = `
  insert into blockmill.task (id, chain, name, queue, lane, priority, block_number, args, args_hash, cause, status, attempt, postpones,
    max_attempts, scheduled_at, changed_at, started_at, finished_at, worker, result, error)
  select (lpad(to_hex(block), 12, '0') || '8' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid,
    'bench', name, 'default', 'normal', 10, block, args, args_hash, 'live', status, 1, 0, 3, time, time,
    case when status <> 'scheduled' then time end,
    case when status in ('succeeded', 'failed') then time end,
    case when status <> 'scheduled' then 'worker-' || block % 8 end,
    case when status = 'succeeded' then jsonb_build_object('neurons', block % 256) end,
    case when status = 'failed' then jsonb_build_object('name', 'Error', 'message', 'the node is gone') end
  from generate_series($4::bigint, $5::bigint) as block
  cross join unnest($1::text[], $2::jsonb[], $3::text[]) as one (name, args, args_hash)
  cross join lateral (select ${STATUS} as status, md5(name || args_hash || block) as digest,
    timestamptz '2026-01-01' + block * interval '12 seconds' as time) as details`

// Twenty gaps of a block each.
const INSERT_COVERAGE = `
  insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
  select 'bench', name, args_hash, 'finalized', args, 1, int8multirange(int8range(1, $4::bigint + 1)) - gaps
  from unnest($1::text[], $2::jsonb[], $3::text[]) as one (name, args, args_hash)
  cross join (select range_agg(int8range(n * ($4::bigint / 21), n * ($4::bigint / 21) + 1)) as gaps
    from generate_series(1, 20) as n) as holes`

/**
 * Fills an empty record with a history: most tasks have succeeded. Ten million take a minute or two.
 */
export async function recordTasks({ query }: Pick<Database, 'query'>, { sets, blocks }: RecordSize): Promise<void> {
  const keys = Array.from({ length: sets }, (_, index) => ({
    name: `task-${String(Math.floor(index / ARGS_PER_TASK)).padStart(2, '0')}`,
    args: { netuid: index % ARGS_PER_TASK },
  }))
  const columns = [
    keys.map(({ name }) => name),
    keys.map(({ args }) => JSON.stringify(args)),
    keys.map(({ args }) => argsHash(args)),
  ]
  await bulkLoadTasks(query, async () => {
    for (let from = 1; from <= blocks; from += BLOCKS_PER_STATEMENT) {
      await query(INSERT_TASKS, [...columns, from, Math.min(blocks, from + BLOCKS_PER_STATEMENT - 1), blocks])
    }
    await query(INSERT_COVERAGE, [...columns, blocks])
  })
}
