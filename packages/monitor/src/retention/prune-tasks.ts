import { setTimeout as delay } from 'node:timers/promises'

import { type Database, FINAL_STATES, type Query } from '@blockmill/core'

import type { RetentionRule } from './retention-rules.ts'

/** Key of the advisory lock that batches are deleted under: "blockprn" as a number. */
const PRUNE_LOCK = '7092165985996665454'

const BATCH_ROWS = 5_000
/** The database rests between batches for as long as the last one took, and at least for so long. */
const SHORTEST_PAUSE_MS = 20

/** What was deleted. */
export interface Pruned {
  readonly deletedCount: number
  /** Tasks that finished before this were meant. */
  readonly cutoff: Date
}

export interface PruneOptions {
  /** Tasks that finished before this are deleted. */
  readonly cutoff: Date
  /** Most tasks that one transaction looks at. Default 5,000. */
  readonly batchRows?: number
  /** Ends the work after the batch that is under way. */
  readonly signal?: AbortSignal
  /** When another process deletes: wait for its batch, or leave the rest to it. Default `wait`. */
  readonly whenBusy?: 'wait' | 'leave'
  /** Told of every batch. */
  readonly onBatch?: (deletedCount: number) => void
}

/** How a rule is followed. */
export interface PruneRuleOptions extends PruneOptions {
  /** Which of them. Default all. */
  readonly rule?: Pick<RetentionRule, 'type' | 'kinds' | 'succeededIn'>
  /** Those that finished earlier were looked at before. Default none were. */
  readonly since?: Date
}

const FINAL = `status in ('${FINAL_STATES.join(`', '`)}')`

// In the order of the index, whether or not they are meant, so that each row is looked at once however few are.
const OLDEST = `
select id, finished_at::text as "finishedAt",
  (chain, name, status = 'succeeded') in (select * from unnest($5::text[], $6::text[], $7::boolean[])) as "isNamed",
  coalesce($8::text[] is null or (status = 'succeeded' and queue = any($8)), false) as "isInQueue"
from blockmill.task
where finished_at >= $1 and (finished_at > $1 or id > $2) and finished_at < $3 and ${FINAL}
order by finished_at, id limit $4`

// Rows that a recorder writes at this moment are not waited for: the next run finds them, unless they have come to life again. The
// task of a batch is how its job learns what came of it: without the row, the batch would run again.
const LOCK = `
select id from blockmill.task
where id = any($1::uuid[]) and finished_at < $2 and ${FINAL} and id not in (
  select batch.task_id from blockmill.range_job as job
    join blockmill.range_batch as batch on batch.job = job.id and batch.state = 'queued'
  where job.finished_at is null)
order by id for update skip locked`

// The claim of a later run is not that of the run that is deleted.
const DELETE_CLAIMS = `
delete from blockmill.unique_task as held using blockmill.task as ended
where held.task_id = any($1::uuid[]) and ended.id = held.task_id and held.generation <= ended.generation`

/**
 * Deletes tasks that finished before a time, with their attempts: those that succeeded and those that are exhausted (failed,
 * dead, cancelled, orphaned), never one that waits, runs or is to be retried, nor one whose range job has not seen its end. Coverage
 * stays: what is deleted is no gap.
 *
 * Each batch is a transaction of its own, the oldest tasks first, so that no lock is held for long and what was deleted stays
 * deleted when the work is interrupted. Several processes may do it at once.
 *
 * @throws the error of the database.
 */
export async function pruneTasks(database: Database, options: PruneOptions): Promise<Pruned> {
  const { deletedCount } = await pruneByRule(database, options)
  return { deletedCount, cutoff: options.cutoff }
}

/**
 * `pruneTasks` for some of the tasks.
 *
 * @returns also whether all were looked at: not when another process was at it, or it was told to end.
 */
export async function pruneByRule(
  database: Database,
  options: PruneRuleOptions,
): Promise<{ readonly deletedCount: number; readonly isComplete: boolean }> {
  const { batchRows = BATCH_ROWS, signal, onBatch } = options
  let deletedCount = 0
  // What was just deleted is still in the index for a while, at its beginning.
  let from: Place = { finishedAt: options.since?.toISOString() ?? '-infinity', id: FIRST_ID }
  for (;;) {
    if (signal?.aborted === true) return { deletedCount, isComplete: false }
    const begun = performance.now()
    const batch: Batch | undefined = await pruneBatch(database, from, options)
    if (batch === undefined) return { deletedCount, isComplete: false }
    deletedCount += batch.deleted
    if (batch.deleted > 0) onBatch?.(batch.deleted)
    if (batch.seen < batchRows || batch.last === undefined) return { deletedCount, isComplete: true }
    from = batch.last
    await rest(Math.max(SHORTEST_PAUSE_MS, performance.now() - begun), signal)
  }
}

/** How many tasks `pruneTasks` would delete. */
export async function countPrunable(query: Query, cutoff: Date): Promise<number> {
  const [row] = await query<{ count: number }>(
    `select count(*) as count from blockmill.task where finished_at < $1 and ${FINAL}`,
    [cutoff],
  )
  return row?.count ?? 0
}

/** A place in the order in which tasks finished. */
interface Place {
  readonly finishedAt: string
  readonly id: string
}

interface Batch {
  readonly seen: number
  readonly deleted: number
  readonly last: Place | undefined
}

/** Below every id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/** @returns undefined when another process is at it. */
function pruneBatch(
  database: Database,
  from: Place,
  { cutoff, batchRows = BATCH_ROWS, whenBusy = 'wait', rule }: PruneRuleOptions,
): Promise<Batch | undefined> {
  const kinds = rule?.kinds ?? []
  return database.withTransaction(async (query) => {
    if (!(await isLocked(query, whenBusy))) return undefined
    const rows = await query<Place & { readonly isNamed: boolean; readonly isInQueue: boolean }>(OLDEST, [
      from.finishedAt,
      from.id,
      cutoff,
      batchRows,
      kinds.map(({ chain }) => chain),
      kinds.map(({ name }) => name),
      kinds.map(({ succeeded }) => succeeded),
      rule?.succeededIn ?? null,
    ])
    const meant = rows.filter(({ isNamed, isInQueue }) => isInQueue && isNamed === (rule?.type === 'only'))
    const locked = await query<{ id: string }>(LOCK, [meant.map(({ id }) => id), cutoff])
    const batch = { seen: rows.length, deleted: locked.length, last: rows.at(-1) }
    if (locked.length === 0) return batch
    const ids = [`{${locked.map(({ id }) => id).join(',')}}`]
    await query(DELETE_CLAIMS, ids)
    await query('delete from blockmill.task_attempt where task_id = any($1::uuid[])', ids)
    await query('delete from blockmill.task where id = any($1::uuid[])', ids)
    return batch
  })
}

async function isLocked(query: Query, whenBusy: 'wait' | 'leave'): Promise<boolean> {
  if (whenBusy === 'wait') {
    await query(`select pg_advisory_xact_lock(${PRUNE_LOCK})`)
    return true
  }
  const [row] = await query<{ locked: boolean }>(`select pg_try_advisory_xact_lock(${PRUNE_LOCK}) as locked`)
  return row?.locked === true
}

async function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // Aborted is as good as over: the loop looks at the signal next.
  await delay(ms, undefined, { ...(signal && { signal }) }).catch(() => undefined)
}
