import type { Database } from '../database/database.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { unpackRows } from '../message/rows-message.ts'
import type { JsonObject } from '../task/json.ts'
import { type PartRef, partsOfJob } from './parts-of-job.ts'
import { createResultSinks, type ResultSinkName, type ResultSinks } from './result-sink.ts'

export interface ReadResultsOptions {
  /** Folder of the files of jobs that keep their rows in files: `BLOCKMILL_RESULTS_DIR` of the monitor. */
  readonly resultsDir?: string | undefined
  /** Reads what there is of a job that is not complete, or never will be. Default false. */
  readonly allowPartial?: boolean
}

/** Rows that were emitted one after the other. */
export interface ResultBatch {
  /** First block of the batch that they come from. */
  readonly from: number
  /** Its last block. */
  readonly to: number
  readonly rows: readonly JsonObject[]
}

/** Parts that are fetched by one query, some 100 KB each. */
const FETCHED_AT_ONCE = 4

/**
 * The rows of a range job in the order of its blocks, and within a batch in the order in which they were emitted. Memory is
 * constant: a few parts at a time.
 *
 * @throws NonRetryableError `RANGE_JOB_UNKNOWN`; `RESULTS_INCOMPLETE` for a job that is not completed, unless partial results
 * are allowed, and when a part that belongs to it is gone, because the job was deleted meanwhile, say.
 */
export async function* readResults(
  database: Pick<Database, 'query'>,
  job: string,
  options: ReadResultsOptions = {},
): AsyncGenerator<JsonObject, void, undefined> {
  for await (const { data } of readParts(database, job, options)) yield* rowsOf(unpackRows(data))
}

/** The same as `readResults`, but the NDJSON of one part at a time; `rowsOf` has its rows. */
export async function* readResultTexts(
  database: Pick<Database, 'query'>,
  job: string,
  options: ReadResultsOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  for await (const { data } of readParts(database, job, options)) yield unpackRows(data)
}

/** The same as `readResults`, but as many rows at a time as one part holds: faster for those who write them in bulk. */
export async function* readResultBatches(
  database: Pick<Database, 'query'>,
  job: string,
  options: ReadResultsOptions = {},
): AsyncGenerator<ResultBatch, void, undefined> {
  for await (const { ref, data } of readParts(database, job, options)) {
    yield { from: ref.from, to: ref.to, rows: parseRows(data) }
  }
}

async function* readParts(
  database: Pick<Database, 'query'>,
  job: string,
  { resultsDir, allowPartial = false }: ReadResultsOptions,
): AsyncGenerator<FetchedPart, void, undefined> {
  const { sink, ...blocks } = await readJob(database, job, allowPartial)
  const sinks = createResultSinks({ resultsDir })
  let coming: Promise<readonly FetchedPart[]> | undefined
  // The next parts are on their way while the reader is busy with these.
  for await (const refs of chunksOf(partsOfJob(database, job, allowPartial ? undefined : blocks), FETCHED_AT_ONCE)) {
    const present = coming
    coming = fetchParts(database, sinks, sink, refs)
    // Whoever reads on hears of a failure; who stops reading does not need to.
    coming.catch(() => undefined)
    if (present !== undefined) yield* await present
  }
  if (coming !== undefined) yield* await coming
  // Deleted meanwhile, it looks like one that has come to its end.
  await readJob(database, job, allowPartial)
}

async function* chunksOf<Value>(values: AsyncIterable<Value>, size: number): AsyncGenerator<Value[], void, undefined> {
  let chunk: Value[] = []
  for await (const value of values) {
    chunk.push(value)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

interface FetchedPart {
  readonly ref: PartRef
  readonly data: Buffer
}

const NEWLINE = 0x0a

/** The rows of NDJSON: one at a time, and no text of all of them, because what lives on makes the heap grow. */
export function* rowsOf(text: Buffer): Generator<JsonObject, void, undefined> {
  for (let start = 0; start < text.length;) {
    const end = text.indexOf(NEWLINE, start)
    yield JSON.parse(text.toString('utf8', start, end)) as JsonObject
    start = end + 1
  }
}

/** JSON has no raw line breaks within texts, so that one array can be made of all lines. */
function parseRows(data: Buffer): JsonObject[] {
  const text = unpackRows(data).toString()
  return JSON.parse(`[${text.slice(0, -1).replaceAll('\n', ',')}]`) as JsonObject[]
}

interface JobRow {
  readonly state: string
  readonly sink: ResultSinkName
  readonly from: number
  readonly to: number
}

/** @throws when it does not exist, or is not completed although it must be. */
async function readJob({ query }: Pick<Database, 'query'>, job: string, allowPartial: boolean): Promise<JobRow> {
  const [row] = await query<JobRow>(
    'select state, sink, from_block as "from", to_block as "to" from blockmill.range_job where id = $1',
    [job],
  )
  if (row === undefined) throw new NonRetryableError('RANGE_JOB_UNKNOWN', `There is no range job ${job} on record.`)
  if (row.state === 'completed' || allowPartial) return row
  throw new NonRetryableError(
    'RESULTS_INCOMPLETE',
    `Range job ${job} is ${row.state}: its results are not complete. Wait until it is completed, or ask for partial results.`,
  )
}

// As a text of base64 it is a third smaller on its way than as PostgreSQL writes it otherwise, in hex.
const PARTS = `
select encode(stored.data, 'base64') as data, stored.file, stored.task_id is not null as "isStored"
from unnest($1::uuid[], $2::uuid[], $3::int[]) with ordinality as wanted (task_id, execution, part, place)
left join blockmill.range_result as stored using (task_id, execution, part)
order by wanted.place`

interface StoredRow {
  readonly data: string | null
  readonly file: string | null
  readonly isStored: boolean
}

async function fetchParts(
  { query }: Pick<Database, 'query'>,
  sinks: ResultSinks,
  sink: ResultSinkName,
  refs: readonly PartRef[],
): Promise<readonly FetchedPart[]> {
  const list = (values: readonly (string | number)[]): string => `{${values.join(',')}}`
  const rows = await query<StoredRow>(PARTS, [
    list(refs.map(({ taskId }) => taskId)),
    list(refs.map(({ execution }) => execution)),
    list(refs.map(({ part }) => part)),
  ])
  return Promise.all(
    refs.map(async (ref, index) => {
      const place = rows[index]
      if (place?.isStored !== true) throw missing(ref)
      const { data, file } = place
      return { ref, data: await sinks[sink].get({ data: data === null ? null : Buffer.from(data, 'base64'), file }) }
    }),
  )
}

function missing({ from, to, execution, part }: PartRef): NonRetryableError {
  return new NonRetryableError(
    'RESULTS_INCOMPLETE',
    `Part ${part} of the rows of blocks ${from} to ${to} (execution ${execution}) is not on record any more. Was the job deleted or started anew?`,
  )
}
