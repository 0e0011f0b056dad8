import type { Query } from '../database/database.ts'
import type { RowsPart } from '../message/rows-message.ts'
import type { PartPlace, ResultSinkName, ResultSinks } from './result-sink.ts'

/** What became of parts. */
export interface StoredParts {
  /** Parts that are on record now, those that were before included. */
  readonly stored: readonly (RowsPart & { readonly sink: ResultSinkName })[]
  /** Parts of jobs that do not exist any more: nobody will ask for them. */
  readonly dropped: readonly RowsPart[]
}

const COLUMNS = 8

/**
 * Stores parts in the sinks of their jobs. What is on record already stays as it is, so that a part may be stored any number of
 * times.
 *
 * @param query of a transaction: a job cannot be deleted before that ends.
 */
export async function storeParts(query: Query, sinks: ResultSinks, parts: readonly RowsPart[]): Promise<StoredParts> {
  const sinkOf = await readSinks(query, parts)
  const stored = parts.flatMap((part) => {
    const sink = sinkOf.get(part.job)
    return sink === undefined ? [] : [{ ...part, sink }]
  })
  const places = await Promise.all(stored.map((part) => sinks[part.sink].put(part)))
  if (stored.length > 0) await insertParts(query, stored, places)
  return { stored, dropped: parts.filter(({ job }) => !sinkOf.has(job)) }
}

async function readSinks(query: Query, parts: readonly RowsPart[]): Promise<ReadonlyMap<string, ResultSinkName>> {
  const jobs = [...new Set(parts.map(({ job }) => job))].sort()
  const rows = await query<{ id: string; sink: ResultSinkName }>(
    'select id, sink from blockmill.range_job where id = any($1::uuid[]) order by id for key share',
    [`{${jobs.join(',')}}`],
  )
  return new Map(rows.map(({ id, sink }) => [id, sink]))
}

async function insertParts(query: Query, parts: readonly RowsPart[], places: readonly PartPlace[]): Promise<void> {
  const rows = parts.map((_, index) => {
    const first = index * COLUMNS
    return `(${Array.from({ length: COLUMNS }, (__, column) => `$${first + column + 1}`).join(', ')}, now())`
  })
  await query(
    `insert into blockmill.range_result (job, task_id, execution, part, rows, bytes, data, file, stored_at)
     values ${rows.join(', ')} on conflict (task_id, execution, part) do nothing`,
    parts.flatMap(({ job, taskId, execution, part, rows: count, data }, index) => [
      job,
      taskId,
      execution,
      part,
      count,
      data.length,
      places[index]?.data ?? null,
      places[index]?.file ?? null,
    ]),
  )
}
