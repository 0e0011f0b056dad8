import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import {
  createRangeJobs,
  createResultSinks,
  createSilentLogger,
  createTopology,
  type Database,
  DEAD_HEADERS,
  type JsonObject,
  openDatabase,
  readResultBatches,
  readResults,
  type ReadResultsOptions,
  removeResultFiles,
  RESULT_SINKS,
  ROWS_HEADERS,
  rowsMessage,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testDatabase } from '@blockmill/testkit/vitest'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { createBury } from '../src/recorder/bury.ts'
import { createResultMetrics } from '../src/results/result-metrics.ts'
import { createResultPruner } from '../src/results/result-pruner.ts'
import { createResultRecorder } from '../src/results/result-recorder.ts'
import { createFakeBroker } from './fake-broker.ts'
import { migrateTemplate } from './migrate-template.ts'
import { createTestJob, deliverPart, endBatch, endJob, listOf, partOf } from './range-results.ts'

const server = testDatabase({ migrate: migrateTemplate })
const logger = createSilentLogger()
const topology = createTopology()
const soon = { intervalMs: 5 }
const incomplete = expect.objectContaining({ code: 'RESULTS_INCOMPLETE' }) as unknown
let database: Database
let resultsDir: string

beforeAll(async () => {
  database = openDatabase({ url: server.url, logger })
  resultsDir = await mkdtemp(path.join(tmpdir(), 'blockmill-results-'))
})
afterAll(async () => {
  await database.close()
  await rm(resultsDir, { recursive: true })
})

/** A recorder that takes what a test delivers, into this file's database. */
async function startRecorder({ into = database, folder = resultsDir } = {}) {
  const broker = createFakeBroker()
  const register = new Registry()
  const metrics = createResultMetrics(register)
  const sinks = createResultSinks({ resultsDir: folder })
  const recorder = createResultRecorder({
    broker,
    database: into,
    sinks,
    bury: createBury({ broker, logger }),
    logger,
    metrics,
  })
  onTestFinished(() => recorder.stop())
  await recorder.start()
  const deliver = (part: Parameters<typeof deliverPart>[2]) => deliverPart(broker, topology, part)
  const store = async (...parts: readonly Parameters<typeof deliverPart>[2][]): Promise<void> => {
    const deliveries = parts.map((part) => deliver(part))
    await waitFor(() => deliveries.every(({ isAcked }) => isAcked()), { describe: 'the parts to be stored', ...soon })
  }
  return { broker, recorder, register, metrics, sinks, deliver, store }
}

async function rowsOf(job: string, options: ReadResultsOptions = {}): Promise<JsonObject[]> {
  return collect(readResults(database, job, { resultsDir, ...options }))
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = []
  for await (const value of values) all.push(value)
  return all
}

async function storedParts(job: string): Promise<string[]> {
  const rows = await database.query<{ execution: string; part: number }>(
    'select execution, part from blockmill.range_result where job = $1 order by execution, part',
    [job],
  )
  return rows.map(({ execution, part }) => `${execution}-${part}`)
}

/** A database whose transactions fail until it comes back. */
function databaseAway(): { readonly away: Database; readonly comeBack: () => void } {
  let isAway = true
  const away: Database = {
    ...database,
    async withTransaction(work) {
      if (isAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      return database.withTransaction(work)
    },
  }
  return { away, comeBack: () => void (isAway = false) }
}

describe.each(RESULT_SINKS)('rows in %s', (sink) => {
  it('come back as they were, in the order of blocks, however often and in which order their parts came', async () => {
    const { store, register } = await startRecorder()
    const { job, batch } = await createTestJob(database, { sink, batches: 3 })
    const [first, second, third] = [batch(0), batch(1), batch(2)]
    const nasty = {
      nul: 'a\0b',
      lone: '\uD800',
      emoji: '👩‍👧',
      separators: '\u2028\n\r',
      '': [null, [{}]],
      big: '9'.repeat(80),
    }
    const early = partOf(job, first, [{ n: 1 }, nasty])
    const late = partOf(job, first, [{ n: 2 }], { execution: early.execution, part: 1 })
    const retried = partOf(job, third, [{ n: 3 }])
    const finished = partOf(job, third, [{ n: 4 }])
    await store(finished, late, retried, early, late, finished, early)

    await endBatch(database, first, 'succeeded', [{ execution: early.execution, parts: 2, rows: 3 }])
    await endBatch(database, second, 'succeeded')
    await endBatch(database, third, 'succeeded', [...listOf(retried), ...listOf(finished)])
    await endJob(database, job, 'completed')
    expect(await rowsOf(job)).toEqual([{ n: 1 }, nasty, { n: 2 }, { n: 3 }, { n: 4 }])
    const parts = await collect(readResultBatches(database, job, { resultsDir }))
    expect(parts.map(({ from, to, rows }) => [from, to, rows.length])).toEqual([
      [0, 9, 2],
      [0, 9, 1],
      [20, 29, 1],
      [20, 29, 1],
    ])
    expect(await storedParts(job)).toHaveLength(4)
    expect(await register.metrics()).toContain(`blockmill_result_parts_stored_total{sink="${sink}"}`)
  })

  it('that do not count are deleted, and all others stay', async () => {
    const { store, metrics, sinks, register } = await startRecorder()
    const { job, batch } = await createTestJob(database, { sink, batches: 4 })
    const [done, failed, split, running] = [batch(0), batch(1), batch(2), batch(3)]
    const counts = partOf(job, done, [{ n: 1 }])
    const after = partOf(job, done, [{ n: 2 }], { execution: counts.execution, part: 1 })
    const killed = partOf(job, done, [{ n: 1 }])
    const mayCount = partOf(job, running, [{ n: 9 }])
    await store(counts, after, killed, partOf(job, failed, [{ n: 3 }]), partOf(job, split, [{ n: 4 }]), mayCount)
    await endBatch(database, done, 'succeeded', listOf(counts))
    await endBatch(database, failed, 'failed')
    await endBatch(database, split, 'split')
    const deleted = await createTestJob(database, { sink, batches: 1 })
    const orphan = partOf(deleted.job, deleted.batch(0), [{ n: 5 }])
    await store(orphan)
    await endJob(database, deleted.job, 'completed')
    // The parts of files are left to the pruner; those of the database may come late.
    if (sink === 'ndjson') await createRangeJobs(database).delete(deleted.job)
    else await database.query('delete from blockmill.range_job where id = $1', [deleted.job])
    expect(await storedParts(deleted.job)).toHaveLength(1)

    const pruner = createResultPruner({ database, sinks, resultsDir, logger, metrics })
    pruner.start()
    await waitFor(async () => (await storedParts(job)).length === 2 && (await storedParts(deleted.job)).length === 0, {
      describe: 'what does not count to be deleted',
      ...soon,
    })
    await pruner.stop()
    const kept = [`${counts.execution}-0`, `${mayCount.execution}-0`]
    expect(await storedParts(job)).toEqual(kept.toSorted())
    expect(await rowsOf(job, { allowPartial: true })).toEqual([{ n: 1 }])
    expect(await register.metrics()).toMatch(/blockmill_result_parts_pruned_total [5-9]/)
    if (sink === 'ndjson') {
      expect(existsSync(path.join(resultsDir, deleted.job))).toBe(false)
      const files = await readdir(path.join(resultsDir, job), { recursive: true })
      expect(files.filter((file) => file.endsWith('.zst')).map((file) => path.basename(file, '.ndjson.zst'))).toEqual(
        expect.arrayContaining(kept),
      )
      expect(files.filter((file) => file.endsWith('.zst'))).toHaveLength(2)
    }
  })

  it('are not acked before they are stored', async () => {
    const { away, comeBack } = databaseAway()
    const { recorder, deliver } = await startRecorder({ into: away })
    const { job, batch } = await createTestJob(database, { sink, batches: 1 })
    const part = partOf(job, batch(0), [{ n: 1 }])
    const delivery = deliver(part)
    await waitFor(() => !recorder.isReady(), { describe: 'the first failure', ...soon })
    expect(delivery.isAcked()).toBe(false)
    comeBack()
    await waitFor(() => delivery.isAcked(), { describe: 'the part to be acked', ...soon })
    expect(await storedParts(job)).toHaveLength(1)
    expect(recorder.isReady()).toBe(true)
  })
})

describe('the recorder of rows', () => {
  it('drops the parts of a job that was deleted', async () => {
    const { store, register } = await startRecorder()
    const batch = { from: 0, to: 9, taskId: randomUUID() }
    await store(partOf(randomUUID(), batch, [{ n: 1 }]))
    expect(await register.metrics()).toContain('blockmill_result_parts_dropped_total 1')
  })

  it('sends what is no part of rows to the dead queue, and stores the rest', async () => {
    const { broker, deliver } = await startRecorder()
    const { job, batch } = await createTestJob(database, { sink: 'ndjson', batches: 1 })
    const part = partOf(job, batch(0), [{ n: 1 }, { n: 2 }])
    const sound = rowsMessage(topology, part)
    const messages: (readonly [string, Buffer, Record<string, unknown>])[] = [
      ['application/octet-stream', sound.body, { ...sound.headers }],
      [sound.type, sound.body.subarray(0, -3), { ...sound.headers }],
      [sound.type, Buffer.from('{"n":1}\n'), { ...sound.headers }],
      [sound.type, sound.body, { ...sound.headers, [ROWS_HEADERS.rows]: 3 }],
      [sound.type, sound.body, { ...sound.headers, [ROWS_HEADERS.job]: '../../etc' }],
      [sound.type, sound.body, { ...sound.headers, [ROWS_HEADERS.part]: -1 }],
      [sound.type, sound.body, {}],
    ]
    const deliveries = messages.flatMap(([type, body, headers]) =>
      broker.deliver(topology.resultsQueue, [{ type, body }], headers),
    )
    deliveries.push(deliver(part))
    await waitFor(() => deliveries.every(({ isAcked }) => isAcked()), { describe: 'all to be settled', ...soon })
    expect(broker.published).toHaveLength(messages.length)
    for (const { message } of broker.published) {
      expect(message).toMatchObject({
        exchange: topology.exchanges.dead,
        headers: { [DEAD_HEADERS.reason]: 'invalid_message', [DEAD_HEADERS.queue]: topology.resultsQueue },
      })
    }
    expect(await storedParts(job)).toHaveLength(1)
  })

  it('waits for a folder that cannot be written, and says that it is not ready', async () => {
    const folder = path.join(resultsDir, 'blocked')
    await writeFile(folder, 'no folder')
    const { recorder, deliver } = await startRecorder({ folder })
    const { job, batch } = await createTestJob(database, { sink: 'ndjson', batches: 1 })
    const delivery = deliver(partOf(job, batch(0), [{ n: 1 }]))
    await waitFor(() => !recorder.isReady(), { describe: 'the first failure', ...soon })
    expect(delivery.isAcked()).toBe(false)
    await rm(folder)
    await waitFor(() => delivery.isAcked(), { describe: 'the part to be stored', ...soon })
  })
})

describe('reading results', () => {
  it('refuses a job that is not completed or does not exist, and reads what there is when asked to', async () => {
    const { store } = await startRecorder()
    const { job, batch } = await createTestJob(database, { sink: 'postgres', batches: 2 })
    const second = batch(1)
    const part = partOf(job, second, [{ n: 2 }])
    await store(part)
    await endBatch(database, second, 'succeeded', listOf(part))
    await expect(rowsOf(job)).rejects.toEqual(incomplete)
    expect(await rowsOf(job, { allowPartial: true })).toEqual([{ n: 2 }])
    await expect(rowsOf(randomUUID())).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
  })

  it('never ends early as if it were complete: not by a part, a batch or a job that is gone', async () => {
    const { store } = await startRecorder()
    const { job, batch, batches } = await createTestJob(database, { sink: 'postgres', batches: 3 })
    for (const one of batches) {
      const part = partOf(job, one, [{ from: one.from }])
      await store(part)
      await endBatch(database, one, 'succeeded', listOf(part))
    }
    await endJob(database, job, 'completed')
    expect(await rowsOf(job)).toEqual([{ from: 0 }, { from: 10 }, { from: 20 }])

    const rows = readResults(database, job)
    expect((await rows.next()).value).toEqual({ from: 0 })
    await database.query('delete from blockmill.range_result where task_id = $1', [batch(2).taskId])
    await expect(rowsOf(job)).rejects.toThrow('blocks 20 to 29')
    await database.query('delete from blockmill.range_batch where task_id = $1', [batch(1).taskId])
    await expect(rowsOf(job)).rejects.toThrow('blocks 10 to 19')
    await database.query('delete from blockmill.range_job where id = $1', [job])
    await expect(collect(rows)).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
  })

  it('says which folder it needs when rows are in files', async () => {
    const { store } = await startRecorder()
    const { job, batch } = await createTestJob(database, { sink: 'ndjson', batches: 1 })
    const part = partOf(job, batch(0), [{ n: 1 }])
    await store(part)
    await endBatch(database, batch(0), 'succeeded', listOf(part))
    await endJob(database, job, 'completed')
    await expect(collect(readResults(database, job))).rejects.toThrow('BLOCKMILL_RESULTS_DIR')
    await removeResultFiles(resultsDir, job)
    expect(existsSync(path.join(resultsDir, job))).toBe(false)
    expect(() => removeResultFiles(resultsDir, '..')).toThrow('no id of a range job')
  })
})
