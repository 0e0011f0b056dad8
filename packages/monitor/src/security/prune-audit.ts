import type { Database } from '@blockmill/core'

const RETENTION_MS = 90 * 86_400_000
const BATCH_ROWS = 5_000

interface PruneAuditOptions {
  readonly now: Date
  /** Nothing more is begun when it is aborted. */
  readonly signal: AbortSignal
  /** Most entries of one statement. Default 5,000. */
  readonly batchRows?: number
}

/** Deletes what has been in the audit log for 90 days, a batch at a time. Resolves with how much that was. */
export async function pruneAudit(
  { query }: Pick<Database, 'query'>,
  { now, signal, batchRows = BATCH_ROWS }: PruneAuditOptions,
): Promise<number> {
  const before = new Date(now.getTime() - RETENTION_MS)
  let total = 0
  while (!signal.aborted) {
    const deleted = await query(
      `delete from blockmill.audit where id = any(array(
         select id from blockmill.audit where at < $1 order by at limit $2 for update skip locked)) returning id`,
      [before, batchRows],
    )
    total += deleted.length
    if (deleted.length < batchRows) break
  }
  return total
}
