import type { Database } from '../database/database.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { readManifest } from '../message/rows-message.ts'
import type { BlockRange } from '../range/block-range.ts'

/** One part of the rows of a job, and the blocks of the batch that it belongs to. */
export interface PartRef {
  readonly from: number
  readonly to: number
  readonly taskId: string
  readonly execution: string
  readonly part: number
}

interface BatchRow {
  readonly from: number
  readonly to: number
  readonly taskId: string
  readonly output: unknown
}

const PAGE = 200

const SUCCEEDED = `
select from_block as "from", to_block as "to", task_id as "taskId", output
from blockmill.range_batch
where job = $1 and state = 'succeeded' and from_block > $2
order by from_block limit ${PAGE}`

/**
 * The parts of the batches that have succeeded, in the order of blocks. Batches that succeed while it runs are met or not.
 *
 * @param whole blocks that the batches must cover without a gap.
 * @throws NonRetryableError `RESULTS_INCOMPLETE` for a batch whose result names no parts, and for a gap.
 */
export async function* partsOfJob(
  { query }: Pick<Database, 'query'>,
  job: string,
  whole?: BlockRange,
): AsyncGenerator<PartRef, void, undefined> {
  let after = -1
  let next = whole?.from
  for (;;) {
    const batches = await query<BatchRow>(SUCCEEDED, [job, after])
    for (const batch of batches) {
      if (next !== undefined && batch.from !== next) throw gap(job, next, batch.from - 1)
      yield* partsOf(batch)
      if (next !== undefined) next = batch.to + 1
    }
    const last = batches.at(-1)
    if (last === undefined || batches.length < PAGE) break
    after = last.from
  }
  if (whole !== undefined && next !== whole.to + 1) throw gap(job, next ?? whole.from, whole.to)
}

function gap(job: string, from: number, to: number): NonRetryableError {
  return new NonRetryableError(
    'RESULTS_INCOMPLETE',
    `Range job ${job} has no rows of the blocks ${from} to ${to} on record. Was it deleted or started anew?`,
  )
}

function* partsOf({ from, to, taskId, output }: BatchRow): Generator<PartRef, void, undefined> {
  const manifest = readManifest(output)
  if (manifest === undefined) {
    throw new NonRetryableError(
      'RESULTS_INCOMPLETE',
      `The batch of blocks ${from} to ${to} has a result that does not say which rows are its own.`,
    )
  }
  for (const { execution, parts } of manifest.parts) {
    for (let part = 0; part < parts; part += 1) yield { from, to, taskId, execution, part }
  }
}
