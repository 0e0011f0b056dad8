import type { Database } from '../database/database.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { readManifest } from '../message/rows-message.ts'

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
 * @throws NonRetryableError `RESULTS_INCOMPLETE` for a batch whose result names no parts.
 */
export async function* partsOfJob(
  { query }: Pick<Database, 'query'>,
  job: string,
): AsyncGenerator<PartRef, void, undefined> {
  let after = -1
  for (;;) {
    const batches = await query<BatchRow>(SUCCEEDED, [job, after])
    for (const batch of batches) yield* partsOf(batch)
    const last = batches.at(-1)
    if (last === undefined || batches.length < PAGE) return
    after = last.from
  }
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
