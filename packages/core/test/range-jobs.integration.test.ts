import {
  createCoordinator,
  createRangeJob,
  createRangeJobs,
  createSilentLogger,
  type Database,
  defineRangeTask,
  migrate,
  openDatabase,
  type RangeJobRequest,
  type RangeJobs,
} from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { Type } from 'typebox'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const logger = createSilentLogger()
const { url } = testDatabase()
const NOWHERE = '019a0000-0000-7000-8000-000000000000'

let database: Database
let jobs: RangeJobs
beforeAll(async () => {
  database = openDatabase({ url, logger })
  await migrate(database, { logger })
  jobs = createRangeJobs(database)
})
afterAll(() => database.close())
beforeEach(() => database.query('truncate blockmill.range_job, blockmill.range_batch, blockmill.range_result'))

async function create(request: Partial<RangeJobRequest> = {}): Promise<string> {
  const job = createRangeJob(
    { chain: 'dev', task: 'fetch', from: 0, to: 99, createdBy: 'test', ...request },
    new Date(),
  )
  await jobs.create(job)
  return job.id
}

type BatchRow = readonly [from: number, to: number, state: string, rows?: number]

/** As the scheduler plans them. */
async function plan(job: string, batches: readonly BatchRow[]): Promise<void> {
  for (const [index, [from, to, state, rows]] of batches.entries()) {
    await database.query(
      `insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id, rows)
       values ($1, $2, $3, $4, 0, $5, gen_random_uuid(), $6)`,
      [job, from, to, index + 1, state, rows ?? null],
    )
  }
}

const setState = (job: string, state: string) =>
  database.query('update blockmill.range_job set state = $2, finished_at = now() where id = $1', [job, state])

describe('a range job on record', () => {
  it('says that it waits when no scheduler leads its chain, and only then', async () => {
    const id = await create()
    const waits = { note: "no scheduler leads chain 'dev' at the moment" }
    const lead = (chain: string, seconds: number) =>
      database.query(
        `insert into blockmill.scheduler_lease (chain, holder, token, expires_at) values ($1, 'me', 1, now() + $2 * interval '1 s')
         on conflict (chain) do update set expires_at = excluded.expires_at`,
        [chain, seconds],
      )
    await lead('other', 60)
    expect(await jobs.summary(id)).toMatchObject(waits)
    await lead('dev', 60)
    expect(await jobs.list()).toMatchObject([{ note: null }])
    await lead('dev', -1)
    await setState(id, 'running')
    expect(await jobs.summary(id)).toMatchObject(waits)
    await setState(id, 'paused')
    expect(await jobs.summary(id)).toMatchObject({ note: null })
    await setState(id, 'running')
    await database.query(`update blockmill.range_job set note = 'batches are postponed'`)
    expect(await jobs.summary(id)).toMatchObject({ note: 'batches are postponed' })
  })

  it('is as it was asked for, before anybody has taken it up', async () => {
    const asked = {
      args: { address: '0xa', nested: { text: 'ü' } },
      batchSize: 10,
      minBatch: 2,
      window: 5,
      queue: 'slow',
      priority: 3,
      maxAttempts: 4,
      sink: 'ndjson',
    } as const
    const id = await create(asked)
    expect(await jobs.detail(id)).toMatchObject({
      ...asked,
      state: 'pending',
      done: 0,
      total: 100,
      rows: 0,
      batches: { pending: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, split: 0 },
      missing: { blocks: 0, ranges: [], isCut: false },
      etaSeconds: null,
    })
  })

  it('counts what is done from the states of its batches, and merges the ranges that it lacks', async () => {
    const id = await create()
    await plan(id, [
      [0, 9, 'succeeded', 7],
      [10, 19, 'failed'],
      [20, 29, 'failed'],
      [30, 49, 'split'],
      [30, 39, 'succeeded', 3],
      [40, 49, 'failed'],
      [50, 59, 'queued'],
      [60, 69, 'pending'],
    ])
    expect(await jobs.detail(id)).toMatchObject({
      done: 20,
      rows: 10,
      batches: { pending: 1, queued: 1, succeeded: 2, failed: 3, cancelled: 0, split: 1 },
      missing: {
        blocks: 30,
        ranges: [
          { from: 10, to: 29 },
          { from: 40, to: 49 },
        ],
      },
    })
    await jobs.order(id, 'cancel')
    const { missing } = await jobs.detail(id)
    // What was never planned is missing, too.
    expect(missing).toMatchObject({
      blocks: 80,
      ranges: [
        { from: 10, to: 29 },
        { from: 40, to: 99 },
      ],
    })
  })

  it('lists the newest first, by chain, task and state, page by page', async () => {
    const ids = [await create(), await create({ task: 'other' }), await create({ chain: 'other' }), await create()]
    await jobs.order(ids[3] ?? '', 'pause')
    const listed = async (filter: Parameters<RangeJobs['list']>[0]) => (await jobs.list(filter)).map(({ id }) => id)
    expect(await listed({})).toEqual(ids.toReversed())
    expect(await listed({ chain: 'dev', task: 'fetch' })).toEqual([ids[3], ids[0]])
    expect(await listed({ states: ['paused'] })).toEqual([ids[3]])
    expect(await listed({ limit: 2 })).toEqual([ids[3], ids[2]])
    expect(await listed({ limit: 2, before: ids[2] })).toEqual([ids[1], ids[0]])
  })

  it('lists batches ascending, and never ends a page between a batch and its pieces', async () => {
    const id = await create()
    await plan(id, [
      [0, 49, 'split'],
      [0, 24, 'succeeded'],
      [25, 49, 'succeeded'],
      [50, 99, 'pending'],
    ])
    const all = { states: ['split', 'succeeded', 'pending'] } as const
    const ids = async (page: Parameters<RangeJobs['batches']>[1]) =>
      (await jobs.batches(id, page)).map((batch) => batch.id)
    expect(await ids({ ...all, limit: 1 })).toEqual(['batch_0002_0_24', 'batch_0001_0_49'])
    expect(await ids({ ...all, limit: 1, after: 0 })).toEqual(['batch_0003_25_49'])
    expect(await ids({})).toEqual(['batch_0002_0_24', 'batch_0003_25_49', 'batch_0004_50_99'])
  })

  it('is paused, resumed and cancelled, as often as anybody says so, and refuses what its state does not allow', async () => {
    const id = await create()
    for (const order of ['pause', 'pause', 'resume', 'resume', 'cancel', 'cancel'] as const) await jobs.order(id, order)
    expect((await jobs.summary(id)).state).toBe('cancelled')
    for (const order of ['pause', 'resume', 'retry-failed'] as const) {
      await expect(jobs.order(id, order)).rejects.toMatchObject({ code: 'RANGE_JOB_CONFLICT' })
    }
    await expect(jobs.order(NOWHERE, 'pause')).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
    await expect(jobs.detail('no id')).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
    await expect(jobs.batches(NOWHERE)).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
  })

  it('has only its failed batches run anew, as a later generation', async () => {
    const id = await create()
    await plan(id, [
      [0, 49, 'succeeded', 1],
      [50, 99, 'failed'],
    ])
    await setState(id, 'completed_with_failures')
    expect(await jobs.order(id, 'retry-failed')).toMatchObject({ state: 'pending', finishedAt: null, done: 50 })
    const rows = await database.query<{ state: string; generation: number }>(
      'select state, generation from blockmill.range_batch order by from_block',
    )
    expect(rows.map(({ state, generation }) => [state, generation > 0])).toEqual([
      ['succeeded', false],
      ['pending', true],
    ])
  })

  it('is deleted with its batches and rows when it is over, and not before', async () => {
    const [id, other] = [await create(), await create()]
    await plan(id, [[0, 99, 'succeeded', 2]])
    const store = `insert into blockmill.range_result (job, task_id, execution, part, rows, bytes, data)
      select $1, gen_random_uuid(), gen_random_uuid(), part, 1, 1, '\\x00' from generate_series(1, 2500) as part`
    for (const job of [id, other]) await database.query(store, [job])
    await expect(jobs.delete(id)).rejects.toMatchObject({ code: 'RANGE_JOB_CONFLICT' })
    await setState(id, 'completed')
    await jobs.delete(id)
    const left = await database.query('select distinct job from blockmill.range_result')
    expect(left).toEqual([{ job: other }])
    expect(await database.query('select from blockmill.range_batch')).toEqual([])
    await expect(jobs.delete(id)).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
  })
})

it('is not deleted while batches of it are queued that a scheduler has to call off', async () => {
  const id = await create()
  await plan(id, [[0, 9, 'queued']])
  await jobs.order(id, 'cancel')
  await expect(jobs.delete(id)).rejects.toMatchObject({
    code: 'RANGE_JOB_CONFLICT',
    message: expect.stringContaining("1 of its batches are still queued: the scheduler of chain 'dev' calls them off"),
  })
  await database.query(`update blockmill.range_batch set state = 'cancelled'`)
  await jobs.delete(id)
  await expect(jobs.summary(id)).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
})

describe('a coordinator', () => {
  const task = defineRangeTask({
    name: 'fetch',
    schema: Type.Object({ address: Type.String() }),
    batchSize: 10,
    run: () => null,
  })
  const coordinator = () => createCoordinator({ database, chain: 'dev', pollMs: 5 })
  const args = { address: '0xa' }

  it('starts a job, and is told how far it is until it is over', async () => {
    const job = await coordinator().run(task, { from: 0, to: 99, args })
    expect(await job.status()).toMatchObject({
      task: 'fetch',
      chain: 'dev',
      args,
      state: 'pending',
      createdBy: 'coordinator',
    })
    const seen: number[] = []
    const ended = coordinator()
      .job(job.id)
      .wait({ onProgress: ({ done }) => void seen.push(done) })
    await plan(job.id, [[0, 49, 'succeeded', 1]])
    await setState(job.id, 'completed_with_failures')
    expect(await ended).toMatchObject({ state: 'completed_with_failures', done: 50 })
    expect(seen.at(-1)).toBe(50)
  })

  it('pauses, resumes and cancels', async () => {
    const job = await coordinator().run(task, { from: 0, to: 99, args })
    expect([(await job.pause()).state, (await job.resume()).state, (await job.cancel()).state]).toEqual([
      'paused',
      'pending',
      'cancelled',
    ])
    await expect(job.retryFailed()).rejects.toMatchObject({ code: 'RANGE_JOB_CONFLICT' })
  })

  it('stops waiting when the signal aborts', async () => {
    const job = await coordinator().run(task, { from: 0, to: 99, args })
    const reason = new Error('enough')
    const controller = new AbortController()
    const waiting = job.wait({ signal: controller.signal })
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  it('refuses what neither the rules nor the task allow, all at once, and puts nothing on record', async () => {
    const wrong = { from: 0, to: 20_000_000, args: {} as typeof args, window: 0 }
    const starting = coordinator().run(task, wrong)
    await expect(starting).rejects.toMatchObject({ code: 'RANGE_JOB_INVALID' })
    await expect(starting).rejects.toThrow(/window is 0; .*address.*2000001 batches/)
    await expect(coordinator().run(task, { from: 5, to: 1, args })).rejects.toThrow('from is 5 and to is 1;')
    expect(await jobs.list()).toEqual([])
  })
})
