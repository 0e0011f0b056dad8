import { argsHash, type Database } from '@blockmill/core'

import { taskMessage } from './task-messages.ts'

const ROWS_PER_STATEMENT = 500
const COLUMNS = {
  id: 'uuid',
  chain: 'text',
  name: 'text',
  queue: 'text',
  lane: 'text',
  priority: 'int',
  block_number: 'bigint',
  args: 'jsonb',
  args_hash: 'text',
  cause: 'text',
  status: 'text',
  attempt: 'int',
  postpones: 'int',
  max_attempts: 'int',
  scheduled_at: 'timestamptz',
  changed_at: 'timestamptz',
  started_at: 'timestamptz',
  finished_at: 'timestamptz',
  worker: 'text',
  result: 'jsonb',
} as const

const NAMES = Object.keys(COLUMNS)
const UPSERT = `
  insert into blockmill.task (${NAMES.join(', ')})
  select * from unnest(${Object.values(COLUMNS)
    .map((type, index) => `$${index + 1}::${type}[]`)
    .join(', ')})
  on conflict (id) do update set
    status = greatest(task.status, excluded.status), ${NAMES.slice(14)
      .map((name) => `${name} = coalesce(excluded.${name}, task.${name})`)
      .join(', ')}`

/**
 * Rows in a second with a hand-written `insert ... select from unnest(...) on conflict do update` alone: 500 rows a statement, each
 * task once and already finished, arrays as the driver writes them, nothing read from a broker, decoded or checked. Into the
 * table as the recorder finds it, with its indexes and triggers.
 */
export async function measureBareUpsert({ query }: Pick<Database, 'query'>, tasks: number): Promise<number> {
  const start = performance.now()
  for (let first = 1; first <= tasks; first += ROWS_PER_STATEMENT) {
    const rows = Array.from({ length: Math.min(ROWS_PER_STATEMENT, tasks - first + 1) }, (_, index) =>
      rowOf(first + index),
    )
    await query(
      UPSERT,
      NAMES.map((_, column) => rows.map((row) => row[column])),
    )
  }
  return (tasks * 1_000) / (performance.now() - start)
}

const ARGS_HASH = argsHash({})

function rowOf(block: number): readonly unknown[] {
  const { chain, task, queue, lane, priority, cause, maxAttempts, scheduledAt, items } = taskMessage('noop', block)
  const at = new Date(scheduledAt)
  const identity = [items[0]?.id, chain, task, queue, lane, priority, block, '{}', ARGS_HASH, cause]
  return [...identity, 'succeeded', 1, 0, maxAttempts, at, at, at, at, 'bench-worker', '{"neurons":256}']
}
