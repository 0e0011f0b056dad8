import type { Database } from '../database/database.ts'
import type { RangeJobSummary } from '../job/range-job-view.ts'
import { createRangeJobs } from '../job/range-jobs.ts'
import { countLines } from '../message/rows-message.ts'
import { type ReadResultsOptions, readResultTexts, rowsOf } from '../results/read-results.ts'
import type { JsonObject } from '../task/json.ts'
import { exportRows, type ExportRowsOptions } from './export-rows.ts'

export interface ExportJobOptions extends ExportRowsOptions, ReadResultsOptions {
  /** Called for each piece that was read. Rows that are looked at first count in `total` as well. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined
}

/** The bytes of a job's results in a format. */
export interface JobExport {
  readonly job: RangeJobSummary
  /** Throws what goes wrong on the way: then what was taken so far is no export. To be iterated, or closed with `return`. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>
}

/**
 * Exports the rows of a range job in the order of its blocks. It resolves when the first bytes are there, so that what is wrong
 * from the start is known before anything is written.
 *
 * @throws NonRetryableError `RANGE_JOB_UNKNOWN`; `RESULTS_INCOMPLETE` for a job that is not completed, unless partial results
 * are allowed; `EXPORT_INVALID` for rows that make no table.
 */
export async function exportJob(
  database: Pick<Database, 'query'>,
  id: string,
  { onProgress, ...options }: ExportJobOptions,
): Promise<JobExport> {
  const job = await createRangeJobs(database).summary(id)
  const surveyed = options.format === 'ndjson' ? 0 : Math.min(options.surveyRows ?? Infinity, job.rows)
  const total = surveyed + job.rows
  let done = 0

  async function* texts(): AsyncGenerator<Buffer, void, undefined> {
    for await (const text of readResultTexts(database, id, options)) {
      yield text
      done += countLines(text)
      onProgress?.({ done, total })
    }
  }

  async function* rows(): AsyncGenerator<Iterable<JsonObject>, void, undefined> {
    for await (const text of texts()) yield rowsOf(text)
  }

  // Rows are kept as NDJSON: as such they go out as they are.
  const chunks = options.format === 'ndjson' ? texts() : await exportRows(rows, options)
  const first = await chunks.next()
  return { job, chunks: resumed(first, chunks) }
}

async function* resumed(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (first.done === true) return
    yield first.value
    yield* rest
  } finally {
    await rest.return()
  }
}
