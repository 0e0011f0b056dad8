import { setTimeout as delay } from 'node:timers/promises'

import { type Database, FINAL_STATES, type Query } from '@blockmill/core'

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
  /** Most tasks of one transaction. Default 5,000. */
  readonly batchRows?: number
  /** Ends the work after the batch that is under way. */
  readonly signal?: AbortSignal
  /** When another process deletes: wait for its batch, or leave the rest to it. Default `wait`. */
  readonly whenBusy?: 'wait' | 'leave'
  /** Told of every batch. */
  readonly onBatch?: (deletedCount: number) => void
}

const FINAL = `status in ('${FINAL_STATES.join(`', '`)}')`

// Rows that a recorder writes at this moment are not waited for: the next run finds them, unless they have come to life again.
const OLDEST = `
select id, finished_at from blockmill.task
where finished_at >= $1 and finished_at < $2 and ${FINAL}
order by finished_at limit $3 for update skip locked`

// The claim of a later run is not that of the run that is deleted.
const DELETE_CLAIMS = `
delete from blockmill.unique_task as held using blockmill.task as ended
where held.task_id = any($1::uuid[]) and ended.id = held.task_id and held.generation <= ended.generation`

/**
 * Deletes tasks that finished before a time, with their attempts: those that succeeded and those that are exhausted (failed,
 * dead, cancelled, orphaned), never one that waits, runs or is to be retried. Coverage stays: what is deleted is no gap.
 *
 * Each batch is a transaction of its own, the oldest tasks first, so that no lock is held for long and what was deleted stays
 * deleted when the work is interrupted. Several processes may do it at once.
 *
 * @throws the error of the database.
 */
export async function pruneTasks(database: Database, options: PruneOptions): Promise<Pruned> {
  const { cutoff, batchRows = BATCH_ROWS, signal, onBatch } = options
  let deletedCount = 0
  // What was just deleted is still in the index for a while, at its beginning.
  let from: Date | '-infinity' = '-infinity'
  for (;;) {
    if (signal?.aborted === true) break
    const begun = performance.now()
    const batch: Batch | undefined = await pruneBatch(database, from, options)
    if (batch === undefined) break
    deletedCount += batch.count
    if (batch.count > 0) onBatch?.(batch.count)
    if (batch.count < batchRows || batch.last === undefined) break
    from = batch.last
    await rest(Math.max(SHORTEST_PAUSE_MS, performance.now() - begun), signal)
  }
  return { deletedCount, cutoff }
}

/** How many tasks `pruneTasks` would delete. */
export async function countPrunable(query: Query, cutoff: Date): Promise<number> {
  const [row] = await query<{ count: number }>(
    `select count(*) as count from blockmill.task where finished_at < $1 and ${FINAL}`,
    [cutoff],
  )
  return row?.count ?? 0
}

interface Batch {
  readonly count: number
  /** When the last of them finished. */
  readonly last: Date | undefined
}

/** @returns undefined when another process is at it. */
function pruneBatch(
  database: Database,
  from: Date | '-infinity',
  { cutoff, batchRows = BATCH_ROWS, whenBusy = 'wait' }: PruneOptions,
): Promise<Batch | undefined> {
  return database.withTransaction(async (query) => {
    if (!(await isLocked(query, whenBusy))) return undefined
    const rows = await query<{ id: string; finished_at: Date }>(OLDEST, [from, cutoff, batchRows])
    if (rows.length === 0) return { count: 0, last: undefined }
    const ids = [`{${rows.map(({ id }) => id).join(',')}}`]
    await query(DELETE_CLAIMS, ids)
    await query('delete from blockmill.task_attempt where task_id = any($1::uuid[])', ids)
    await query('delete from blockmill.task where id = any($1::uuid[])', ids)
    return { count: rows.length, last: rows.at(-1)?.finished_at }
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
