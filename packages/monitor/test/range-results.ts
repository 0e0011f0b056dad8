import { randomUUID } from 'node:crypto'

import {
  createRangeJob,
  createRangeJobs,
  type Database,
  type JsonObject,
  type PartList,
  packRows,
  rowsMessage,
  type RowsPart,
  type ResultSinkName,
  type Topology,
} from '@blockmill/core'

import type { FakeBroker, FakeDelivery } from './fake-broker.ts'

/** A batch of a job, and the task that runs it. */
export interface TestBatch {
  readonly from: number
  readonly to: number
  readonly taskId: string
}

/** A range job with batches of ten blocks, none of which has run. */
export async function createTestJob(
  database: Database,
  { sink, batches }: { readonly sink: ResultSinkName; readonly batches: number },
): Promise<{
  readonly job: string
  readonly batches: readonly TestBatch[]
  readonly batch: (index: number) => TestBatch
}> {
  const to = batches * 10 - 1
  const created = createRangeJob({ chain: 'dev', task: 'fetch', from: 0, to, sink, createdBy: 'test' }, new Date())
  await createRangeJobs(database).create(created)
  const planned = Array.from({ length: batches }, (_, index) => ({
    from: index * 10,
    to: index * 10 + 9,
    taskId: randomUUID(),
  }))
  for (const [index, batch] of planned.entries()) {
    await database.query(
      `insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id)
       values ($1, $2, $3, $4, 0, 'queued', $5)`,
      [created.id, batch.from, batch.to, index + 1, batch.taskId],
    )
  }
  const batch = (index: number): TestBatch => {
    const found = planned[index]
    if (found === undefined) throw new Error(`the job has no batch ${index}`)
    return found
  }
  return { job: created.id, batches: planned, batch }
}

/** Says of a batch what the scheduler would. */
export async function endBatch(
  database: Database,
  { taskId }: TestBatch,
  state: 'succeeded' | 'failed' | 'split',
  parts: PartList = [],
): Promise<void> {
  const rows = parts.reduce((sum, one) => sum + one.rows, 0)
  await database.query('update blockmill.range_batch set state = $2, output = $3 where task_id = $1', [
    taskId,
    state,
    state === 'succeeded' ? JSON.stringify({ rows, parts }) : null,
  ])
}

export async function endJob(database: Database, job: string, state: string): Promise<void> {
  await database.query('update blockmill.range_job set state = $2, finished_at = now() where id = $1', [job, state])
}

/** A part as a worker makes it. */
export function partOf(
  job: string,
  { taskId }: TestBatch,
  rows: readonly JsonObject[],
  { execution = randomUUID(), part = 0 }: { readonly execution?: string; readonly part?: number } = {},
): RowsPart {
  const data = packRows(rows.map((row) => JSON.stringify(row)))
  return { job, taskId, execution, part, rows: rows.length, data }
}

export function listOf({ execution, part, rows }: RowsPart): PartList {
  return [{ execution, parts: part + 1, rows }]
}

/** Delivers a part as the broker would. */
export function deliverPart(broker: FakeBroker, topology: Topology, part: RowsPart): FakeDelivery {
  const { type, body, headers = {} } = rowsMessage(topology, part)
  const [delivery] = broker.deliver(topology.resultsQueue, [{ type, body }], headers)
  if (delivery === undefined) throw new Error('nothing was delivered')
  return delivery
}
