import { type BlockRange, blockSet, defineRangeTask, rangeSize, type TaskMessage } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { describe, expect, it } from 'vitest'

import { rangeRig } from './range-rig.ts'

const rig = rangeRig()

const succeed = () => ({ type: 'succeed' }) as const
const contains = ({ from, to }: BlockRange, block: number) => from <= block && block <= to
/** Blocks that were executed more than once, over all messages of one job. */
const idsOf = (messages: readonly TaskMessage[]) => messages.flatMap(({ items }) => items.map(({ id }) => id))

describe('a range job', () => {
  it('runs each batch once, in order, and is completed when every row is stored', async () => {
    await rig.startScheduler()
    const worker = await rig.startWorker(() => ({ type: 'succeed', rows: 2 }), 1)
    const id = await rig.create({ from: 10_000_000, to: 15_000_000, batchSize: 1_000_000, args: { address: '0xa' } })
    const job = await rig.inState(id, 'completed')
    expect(job).toMatchObject({
      done: 5_000_001,
      total: 5_000_001,
      rows: 12,
      batches: { succeeded: 6, pending: 0, queued: 0, failed: 0, cancelled: 0, split: 0 },
      missing: { blocks: 0, ranges: [], isCut: false },
      etaSeconds: 0,
      batchSize: 1_000_000,
      minBatch: 1,
      note: null,
    })
    expect(worker.messages).toHaveLength(6)
    expect(worker.messages[0]).toMatchObject({
      task: 'fetch',
      lane: 'low',
      priority: 10,
      attempt: 1,
      maxAttempts: 3,
      cause: 'range',
      rootId: id,
      items: [{ range: { from: 10_000_000, to: 10_999_999 }, args: { address: '0xa' } }],
    })
    const batches = await rig.jobs().batches(id)
    expect(batches.map((batch) => batch.id)).toEqual([
      'batch_0001_10000000_10999999',
      'batch_0002_11000000_11999999',
      'batch_0003_12000000_12999999',
      'batch_0004_13000000_13999999',
      'batch_0005_14000000_14999999',
      'batch_0006_15000000_15000000',
    ])
    expect(batches.map(({ taskId }) => taskId)).toEqual(idsOf(worker.messages))
  })

  it('finds the one block in a million that fails, and runs it again when the fault is gone', async () => {
    await rig.startScheduler()
    let isBroken = true
    const worker = await rig.startWorker((range) =>
      isBroken && contains(range, 777_777) ? { type: 'fail', message: 'bad block' } : { type: 'succeed', rows: 1 },
    )
    const id = await rig.create({ from: 0, to: 999_999, maxAttempts: 5 })
    const job = await rig.inState(id, 'completed_with_failures')
    expect(job).toMatchObject({
      done: 999_999,
      missing: { blocks: 1, ranges: [{ from: 777_777, to: 777_777 }] },
      note: 'missing: block 777777: bad block',
    })
    const succeeded = await rig.jobs().batches(id, { states: ['succeeded'] })
    expect(blockSet(succeeded)).toEqual([
      { from: 0, to: 777_776 },
      { from: 777_778, to: 999_999 },
    ])
    // Pieces that look for the block are tried once; the whole batch, and the block itself, as often as the job says.
    const attempts = worker.messages.map(({ items, maxAttempts }) => [
      rangeSize(items[0]?.range as BlockRange),
      maxAttempts,
    ])
    expect(attempts.every(([blocks, most]) => most === (blocks === 1_000_000 || blocks === 1 ? 5 : 1))).toBe(true)

    isBroken = false
    const before = worker.messages.length
    await rig.jobs().order(id, 'retry-failed')
    expect(await rig.inState(id, 'completed')).toMatchObject({ done: 1_000_000, missing: { blocks: 0 }, note: null })
    expect(worker.ranges.slice(before)).toEqual([{ from: 777_777, to: 777_777 }])
    expect(worker.messages.at(-1)?.generation).toBeGreaterThan(0)
  })

  it('cuts no smaller than the smallest batch', async () => {
    await rig.startScheduler()
    await rig.startWorker((range) => (contains(range, 42) ? { type: 'fail' } : { type: 'succeed' }))
    const id = await rig.create({ from: 0, to: 999, batchSize: 500, minBatch: 100 })
    const { missing } = await rig.inState(id, 'completed_with_failures')
    expect(missing.ranges).toEqual([{ from: 0, to: 99 }])
  })

  it('splits a batch that has too much, in pieces of the size that its handler names or in halves', async () => {
    await rig.startScheduler()
    const worker = await rig.startWorker((range) => {
      const blocks = rangeSize(range)
      if (blocks > 100) return { type: 'split', safeSize: 100 }
      return blocks > 40 ? { type: 'split' } : { type: 'succeed', rows: blocks }
    })
    const id = await rig.create({ from: 1, to: 1_000, batchSize: 1_000, maxAttempts: 4 })
    expect(await rig.inState(id, 'completed')).toMatchObject({ done: 1_000, rows: 1_000, missing: { blocks: 0 } })
    // One batch in ten pieces of a hundred blocks, each in four of 25.
    expect(worker.ranges.map(rangeSize).filter((blocks) => blocks === 25)).toHaveLength(40)
    expect(worker.messages.every(({ maxAttempts }) => maxAttempts === 4 || maxAttempts === 3)).toBe(true)
  })

  it('counts what dies of its blocks as failed and cuts it, and what nobody can execute as failed', async () => {
    await rig.startScheduler()
    await rig.startWorker((range) => {
      if (contains(range, 3)) return { type: 'die', reason: 'delivery_limit' }
      return contains(range, 15) ? { type: 'die', reason: 'unknown_task' } : { type: 'succeed' }
    })
    const id = await rig.create({ from: 0, to: 19, batchSize: 10 })
    const { missing } = await rig.inState(id, 'completed_with_failures')
    expect(missing.ranges).toEqual([
      { from: 3, to: 3 },
      { from: 10, to: 19 },
    ])
  })

  it('counts a batch that somebody has cancelled as failed, with the reason', async () => {
    await rig.startScheduler()
    await rig.startWorker(({ from }) =>
      from === 10 ? { type: 'cancel', reason: 'cancelled by me' } : { type: 'succeed' },
    )
    const id = await rig.create({ from: 0, to: 29, batchSize: 10 })
    expect(await rig.inState(id, 'completed_with_failures')).toMatchObject({
      missing: { blocks: 10 },
      note: 'missing: blocks 10–19: cancelled by me',
    })
  })

  it('is planned and dispatched in a few statements when it has a thousand batches', async () => {
    const { statements } = await rig.startScheduler()
    const id = await rig.create({ from: 0, to: 999_999, batchSize: 1_000 })
    await waitFor(async () => (await rig.jobs().summary(id)).batches.queued === 1_000, {
      describe: 'all batches to be queued',
    })
    const writes = statements().filter((one) => /(insert into|update) blockmill\.range_batch/.test(one))
    expect(writes.length).toBeLessThanOrEqual(10)
    expect(await rig.depth()).toBe(1_000)
  })

  it('never has more batches out than its window', async () => {
    await rig.startScheduler()
    const most: number[] = []
    await rig.startWorker(async (): Promise<{ type: 'succeed' }> => {
      most.push(await rig.depth())
      return { type: 'succeed' }
    }, 5)
    const id = await rig.create({ from: 0, to: 99, batchSize: 1, window: 10 })
    await rig.inState(id, 'completed')
    // What the worker holds is out as well.
    expect(Math.max(...most)).toBeLessThanOrEqual(10)
  })

  it('shares the queue with a job that comes later', async () => {
    await rig.startScheduler()
    const bothQueued = Promise.withResolvers<void>()
    const worker = await rig.startWorker(async () => {
      await bothQueued.promise
      return succeed()
    }, 4)
    const window = 40
    const large = await rig.create({ from: 0, to: 499, batchSize: 1, window })
    await waitFor(() => worker.messages.length === 4, { describe: 'the large job to run' })
    const small = await rig.create({ from: 0, to: 59, batchSize: 1, window })
    await waitFor(async () => (await rig.jobs().summary(small)).batches.queued > 0, {
      describe: 'the small job to run',
    })
    bothQueued.resolve()
    await rig.inState(small, 'completed')
    await rig.inState(large, 'completed')
    const turns = worker.messages.map(({ rootId }) => rootId === small)
    const [first, last] = [turns.indexOf(true), turns.lastIndexOf(true)]
    const largeOf = (some: readonly boolean[]) => some.filter((isSmall) => !isSmall).length
    expect(largeOf(turns.slice(0, last))).toBeLessThan(250)
    expect(largeOf(turns.slice(first, last))).toBeGreaterThan(20)
  })

  it('stops dispatching when it is paused, counts what runs on, and goes on when it is resumed', async () => {
    const { metrics } = await rig.startScheduler()
    let isOpen = Promise.withResolvers<void>()
    const worker = await rig.startWorker(async (): Promise<{ type: 'succeed' }> => {
      await isOpen.promise
      return { type: 'succeed' }
    })
    const id = await rig.create({ from: 0, to: 99, batchSize: 1, window: 10 })
    await waitFor(() => worker.messages.length === 10, { describe: 'the window to be full' })
    await rig.jobs().order(id, 'pause')
    await expect.poll(() => metrics.metrics()).toMatch(/^blockmill_range_jobs\{[^}]*state="paused"[^}]*\} 1$/m)
    isOpen.resolve()
    await waitFor(async () => (await rig.jobs().summary(id)).done === 10, { describe: 'the queued batches to count' })
    expect((await rig.jobs().summary(id)).batches).toMatchObject({ queued: 0, pending: 90 })
    isOpen = Promise.withResolvers()
    isOpen.resolve()
    await rig.jobs().order(id, 'resume')
    await rig.inState(id, 'completed')
    expect(new Set(idsOf(worker.messages)).size).toBe(100)
  })

  it('calls off what is queued when it is cancelled, and says what is missing', async () => {
    await rig.startScheduler()
    const worker = await rig.startWorker(({ from }) => (from < 3 ? succeed() : { type: 'hold' }), 10)
    const id = await rig.create({ from: 0, to: 99, batchSize: 1, window: 8 })
    await waitFor(async () => (await rig.jobs().summary(id)).done === 3, { describe: 'three batches to succeed' })
    await rig.jobs().order(id, 'cancel')
    const job = await waitFor(
      async () => {
        const found = await rig.jobs().detail(id)
        return found.finishedAt !== null && found
      },
      { describe: 'the batches to be called off' },
    )
    expect(job).toMatchObject({ state: 'cancelled', done: 3, missing: { blocks: 97, ranges: [{ from: 3, to: 99 }] } })
    expect(worker.messages.length).toBeLessThanOrEqual(11)
    await expect(rig.jobs().order(id, 'resume')).rejects.toMatchObject({ code: 'RANGE_JOB_CONFLICT' })
    await rig.jobs().delete(id)
    await expect(rig.jobs().summary(id)).rejects.toMatchObject({ code: 'RANGE_JOB_UNKNOWN' })
  })

  it('pauses itself when one batch after the other fails, and says why', async () => {
    await rig.startScheduler()
    let isExpired = true
    const worker = await rig.startWorker(() =>
      isExpired ? { type: 'fail', message: 'the key has expired' } : succeed(),
    )
    const id = await rig.create({ from: 0, to: 99_999, batchSize: 1_000, window: 20 })
    const { note } = await rig.inState(id, 'paused')
    expect(note).toBe(
      'paused, because one batch after the other has failed: the key has expired; resume it when that is put right',
    )
    expect(worker.messages.length).toBeLessThan(200)
    isExpired = false
    await rig.jobs().order(id, 'resume')
    expect(await rig.inState(id, 'completed')).toMatchObject({ done: 100_000, missing: { blocks: 0 } })
  })

  it('says why its batches wait that their handlers have postponed', async () => {
    await rig.startScheduler()
    await rig.startWorker(() => ({ type: 'postpone', reason: 'the key has expired; set another one' }))
    const id = await rig.create({ from: 0, to: 9, batchSize: 5 })
    await waitFor(
      async () => (await rig.jobs().summary(id)).note === 'batches are postponed: the key has expired; set another one',
      { describe: 'a note on what the batches wait for' },
    )
    await rig.jobs().order(id, 'cancel')
    await waitFor(async () => (await rig.jobs().summary(id)).finishedAt !== null, { describe: 'the end of the job' })
  })

  it('waits, and says what for, while nobody knows its task or its arguments do not fit', async () => {
    await rig.startScheduler()
    const id = await rig.create({ from: 0, to: 9, task: 'unheard' })
    await expect
      .poll(async () => (await rig.jobs().summary(id)).note)
      .toEqual(expect.stringContaining("knows no range task 'unheard'; deploy it there, or cancel this job"))
    await rig.jobs().order(id, 'cancel')
    await waitFor(async () => (await rig.jobs().summary(id)).finishedAt !== null, { describe: 'the end of the job' })
  })

  it('waits for blocks to be final when its task reads the chain', async () => {
    const definition = defineRangeTask({ name: 'fetch', queue: rig.queue(), chainKind: 'substrate', run: () => null })
    const { chain } = await rig.startScheduler({ definition, head: 100 })
    const worker = await rig.startWorker(succeed)
    const id = await rig.create({ from: 51, to: 150, batchSize: 50 })
    await waitFor(async () => (await rig.jobs().summary(id)).note?.includes('newest final block is 100'), {
      describe: 'a note on finality',
    })
    await expect.poll(() => worker.ranges).toEqual([{ from: 51, to: 100 }])
    chain.advance(60)
    await rig.inState(id, 'completed')
    expect(worker.ranges).toEqual([
      { from: 51, to: 100 },
      { from: 101, to: 150 },
    ])
  })
})
