import type { Database, PartPlace, ResultSinkName, ResultSinks } from '@blockmill/core'

/** Parts of one transaction. */
const BATCH_ROWS = 1_000

// From one job to the next by the index, without a look at the parts between.
const JOBS_WITH_PARTS = `
with recursive found (job) as (
  (select job from blockmill.range_result order by job limit 1)
  union all
  select (select result.job from blockmill.range_result as result where result.job > found.job order by result.job limit 1)
  from found where found.job is not null
)
select found.job, stored.id is not null as "exists", stored.sink, stored.finished_at as "finishedAt"
from found left join blockmill.range_job as stored on stored.id = found.job
where found.job is not null`

// What a batch that succeeded does not name comes from executions that did not count. A batch that failed, was split or called off
// has no rows; one that may still run keeps its parts.
const ORPHANS = `
select part.task_id as "taskId", part.execution, part.part, part.file
from blockmill.range_result as part
left join blockmill.range_batch as batch on batch.job = part.job and batch.task_id = part.task_id
where part.job = $1 and (
  not exists (select from blockmill.range_job as job where job.id = part.job)
  or batch.state in ('failed', 'cancelled', 'split')
  or (batch.state = 'succeeded' and not exists (
    select from jsonb_to_recordset(batch.output -> 'parts') as kept (execution uuid, parts int)
    where kept.execution = part.execution and part.part < kept.parts)))
limit ${BATCH_ROWS}`

const DELETE = `
delete from blockmill.range_result as part
using unnest($1::uuid[], $2::uuid[], $3::int[]) as doomed (task_id, execution, part)
where part.task_id = doomed.task_id and part.execution = doomed.execution and part.part = doomed.part`

/** A job of which there are parts. */
export interface JobWithParts {
  readonly job: string
  /** False when it was deleted. */
  readonly exists: boolean
  /** Null when it does not exist. */
  readonly sink: ResultSinkName | null
  readonly finishedAt: Date | null
}

/** Jobs of which there are parts, also those that do not exist any more. */
export function jobsWithParts({ query }: Pick<Database, 'query'>): Promise<JobWithParts[]> {
  return query<JobWithParts>(JOBS_WITH_PARTS)
}

/**
 * Deletes the parts of a job that do not count: those that the results of its batches do not name, and all of a job that was
 * deleted. A batch that may still run keeps its parts. It may be interrupted at any time.
 *
 * @returns how many there were.
 */
export async function pruneParts(
  { query }: Pick<Database, 'query'>,
  sinks: ResultSinks,
  { job, sink }: Pick<JobWithParts, 'job' | 'sink'>,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0
  while (!signal.aborted) {
    const orphans = await query<Orphan>(ORPHANS, [job])
    if (orphans.length === 0) break
    // Files first: without its row, nobody would know of one.
    if (sink !== 'postgres') await removeFiles(sinks, orphans)
    const list = (values: readonly (string | number)[]): string => `{${values.join(',')}}`
    await query(DELETE, [
      list(orphans.map(({ taskId }) => taskId)),
      list(orphans.map(({ execution }) => execution)),
      list(orphans.map(({ part }) => part)),
    ])
    deleted += orphans.length
    if (orphans.length < BATCH_ROWS) break
  }
  return deleted
}

interface Orphan extends Pick<PartPlace, 'file'> {
  readonly taskId: string
  readonly execution: string
  readonly part: number
}

async function removeFiles(sinks: ResultSinks, orphans: readonly Orphan[]): Promise<void> {
  for (const { file } of orphans) if (file !== null) await sinks.ndjson.remove({ data: null, file })
}
