import type { Database, Query } from '@blockmill/core'

import type { AttemptRecord } from './attempt-record.ts'
import { type Column, columnNames, columnValues, selectColumns } from './column.ts'
import type { Records } from './records.ts'
import { storableJson } from './storable.ts'
import { releaseUniqueTasks } from './release-unique-tasks.ts'
import { upsertTasks } from './upsert-tasks.ts'
import type { TaskRecord } from './task-record.ts'
import type { WorkerRecord } from './worker-record.ts'

/**
 * Writes folded records: one statement for each table, in one transaction. Writing them again changes nothing.
 * Unique tasks that have ended may be enqueued again as soon as the record says so.
 *
 * @param records as `foldBatch` returns them: each key once, sorted.
 */
export async function storeRecords(database: Database, records: Records): Promise<void> {
  const statements = statementsFor(records)
  const [first, ...rest] = statements
  if (first === undefined) return
  // A statement alone is a transaction already, and most batches are one.
  if (rest.length === 0) {
    await first(database.query)
    return
  }
  await database.withTransaction(async (query) => {
    for (const statement of statements) await statement(query)
  })
}

/** Writes folded records in a transaction of the caller's. */
export async function storeRecordsIn(query: Query, records: Records): Promise<void> {
  for (const statement of statementsFor(records)) await statement(query)
}

function statementsFor({ tasks, attempts, workers }: Records): ((query: Query) => Promise<unknown>)[] {
  return [
    ...(tasks.length === 0 ? [] : [(query: Query) => storeTasks(query, tasks)]),
    ...(attempts.length === 0
      ? []
      : [(query: Query) => query(UPSERT_ATTEMPTS, columnValues(ATTEMPT_COLUMNS, attempts))]),
    ...(workers.length === 0 ? [] : [(query: Query) => query(UPSERT_WORKERS, columnValues(WORKER_COLUMNS, workers))]),
    ...releaseUniqueTasks(tasks),
  ]
}

function storeTasks(query: Query, tasks: readonly TaskRecord[]): Promise<unknown> {
  const { name, text, values } = upsertTasks(tasks)
  return query(text, values, { prepareAs: name })
}

const ATTEMPT_COLUMNS: readonly Column<AttemptRecord>[] = [
  { name: 'task_id', type: 'uuid', value: ({ taskId }) => taskId },
  { name: 'generation', type: 'bigint', value: ({ generation }) => generation },
  { name: 'attempt', type: 'int', value: ({ attempt }) => attempt },
  { name: 'postpones', type: 'int', value: ({ postpones }) => postpones },
  { name: 'outcome', type: 'text', value: ({ outcome }) => outcome },
  { name: 'worker', type: 'text', value: ({ worker }) => worker },
  { name: 'started_at', type: 'timestamptz', value: ({ startedAt }) => startedAt },
  { name: 'finished_at', type: 'timestamptz', value: ({ finishedAt }) => finishedAt },
  { name: 'error', type: 'jsonb', value: ({ error }) => error },
  { name: 'reason', type: 'text', value: ({ reason }) => reason },
  { name: 'delay_ms', type: 'float8', value: ({ delayMs }) => delayMs },
]

// The order of `mergeAttempts`.
const UPSERT_ATTEMPTS = `
insert into blockmill.task_attempt as present (${columnNames(ATTEMPT_COLUMNS)})
${selectColumns(ATTEMPT_COLUMNS)}
on conflict (task_id, generation, attempt, postpones, outcome, worker) do update set
  ${ATTEMPT_COLUMNS.slice(6)
    .map(({ name }) => `${name} = excluded.${name}`)
    .join(', ')}
where excluded.finished_at < present.finished_at`

const WORKER_COLUMNS: readonly Column<WorkerRecord>[] = [
  { name: 'name', type: 'text', value: ({ heartbeat }) => heartbeat.worker },
  { name: 'host', type: 'text', value: ({ heartbeat }) => heartbeat.host },
  { name: 'pid', type: 'int', value: ({ heartbeat }) => heartbeat.pid },
  { name: 'queues', type: 'jsonb', value: ({ heartbeat }) => storableJson(heartbeat.queues) },
  { name: 'concurrency', type: 'int', value: ({ heartbeat }) => heartbeat.concurrency },
  { name: 'started_at', type: 'timestamptz', value: ({ startedAt }) => startedAt },
  { name: 'last_seen_at', type: 'timestamptz', value: ({ lastSeenAt }) => lastSeenAt },
  { name: 'state', type: 'text', value: ({ heartbeat }) => (heartbeat.stopping ? 'stopped' : 'running') },
  { name: 'running', type: 'jsonb', value: ({ heartbeat }) => storableJson(heartbeat.running) },
  { name: 'rss_bytes', type: 'bigint', value: ({ heartbeat }) => Math.round(heartbeat.rssBytes) },
  { name: 'event_loop_lag_ms', type: 'float8', value: ({ heartbeat }) => heartbeat.eventLoopLagMs },
]

// The order of `mergeWorkers`.
const UPSERT_WORKERS = `
insert into blockmill.worker as present (${columnNames(WORKER_COLUMNS)})
${selectColumns(WORKER_COLUMNS)}
on conflict (name) do update set
  ${WORKER_COLUMNS.slice(1)
    .map(({ name }) => `${name} = excluded.${name}`)
    .join(', ')}
where excluded.last_seen_at > present.last_seen_at`
