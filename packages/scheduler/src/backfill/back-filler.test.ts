import { argsHash, type BackfillJob, defineTask, everyNBlocks, type JsonObject, RetryableError } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { backFilling, backfilled, blocksOf, fakeClock, task } from '../../test/back-filling-harness.ts'
import { range } from '../../test/leadership-harness.ts'
import { backfillJob, blocks, createMemoryBackfillStore } from '../../test/memory-backfill-store.ts'
import { createMemoryCoverageStore } from '../../test/memory-coverage-store.ts'

const run = () => null
fakeClock()

describe('a back-fill job', () => {
  it('schedules its blocks on the low lane, covers them, and is completed', async () => {
    const { broker, store, job, part } = await backFilling()
    expect(blocksOf(broker)).toEqual(range(100, 199))
    expect(new Set(backfilled(broker).map(({ lane, queue }) => `${queue}.${lane}`))).toEqual(new Set(['default.low']))
    expect(store.of('a')?.evaluated).toEqual([...blocks(100, 199), ...blocks(1_000, 1_000)])
    expect(part()).toMatchObject({ target: blocks(100, 199), evaluated: blocks(100, 199), scheduled: 100 })
    expect(job()).toMatchObject({ state: 'completed', error: null })
  })

  it('schedules only what coverage lacks', async () => {
    const store = createMemoryCoverageStore()
    const key = { task: 'a', argsHash: argsHash({}), head: 'finalized' as const, args: {}, startBlock: 1_000 }
    await store.add(1, [{ ...key, range: { from: 120, to: 189 } }])
    const { broker, part } = await backFilling({ store })
    expect(blocksOf(broker)).toEqual([...range(100, 119), ...range(190, 199)])
    expect(part().target).toEqual([...blocks(100, 119), ...blocks(190, 199)])
  })

  it('packs as many blocks into a message as the task says, or the job', async () => {
    const chunked = defineTask({ name: 'a', backfill: { chunk: 40 }, run })
    const sizes = async (job: BackfillJob) => {
      const { broker } = await backFilling({ tasks: [chunked], jobs: [job] })
      return backfilled(broker).map(({ items }) => items.length)
    }
    expect(await sizes(backfillJob({ from: 100, to: 199 }))).toEqual([40, 40, 20])
    expect(await sizes(backfillJob({ from: 100, to: 199, chunk: 100 }))).toEqual([100])
  })

  it('leaves blocks from the next live one on to the live run', async () => {
    const { broker, part, job } = await backFilling({ jobs: [backfillJob({ from: 990, to: 2_000 })] })
    expect(blocksOf(broker)).toEqual(range(990, 999))
    expect(part().target).toEqual(blocks(990, 999))
    expect(job().state).toBe('completed')
  })

  it('takes a latest task up to the finalized head, with the hashes of its blocks', async () => {
    const latest = defineTask({ name: 'a', head: 'latest', run })
    const chain = createScriptedChain({ head: 1_000, finalityLag: 20 })
    const job = backfillJob({ from: 970, to: 999, head: 'latest' })
    const { broker } = await backFilling({ tasks: [latest], chain, jobs: [job] })
    expect(blocksOf(broker)).toEqual(range(970, 980))
    expect(backfilled(broker).every(({ items }) => items[0]?.block?.hash?.startsWith('0x'))).toBe(true)
  })

  it('asks its condition, and covers the blocks that do not match as well', async () => {
    const every = defineTask({ name: 'a', condition: everyNBlocks(25), run })
    const { broker, part } = await backFilling({ tasks: [every] })
    expect(blocksOf(broker)).toEqual([100, 125, 150, 175])
    expect(part()).toMatchObject({ evaluated: blocks(100, 199), scheduled: 4 })
  })

  it('waits for a task that the scheduler does not know, and says so', async () => {
    const unknown = backfillJob({ from: 1, to: 9, task: 'b' })
    const { broker, job } = await backFilling({ jobs: [unknown] })
    expect(blocksOf(broker)).toEqual([])
    expect(job()).toMatchObject({ state: 'pending', error: expect.stringContaining("knows no task 'b'") })
  })

  it('waits when its task follows another head now, and says so', async () => {
    const { job } = await backFilling({ jobs: [backfillJob({ from: 1, to: 9, head: 'latest' })] })
    expect(job()).toMatchObject({ state: 'pending', error: expect.stringContaining('follows the finalized head now') })
  })
})

describe('the arguments of a job', () => {
  const args = (netuid: number): JsonObject => ({ netuid })
  const recorded = (netuid: number) => ({
    task: 'a',
    argsHash: argsHash(args(netuid)),
    head: 'finalized' as const,
    args: args(netuid),
    startBlock: 500,
  })
  const withArgs = defineTask<{ netuid: number }>({ name: 'a', args: [{ netuid: 1 }], run })

  it('are all that the task has or had on record, unless one set is given', async () => {
    const store = createMemoryCoverageStore()
    await store.register(1, [recorded(2)])
    const filled = async (change: Partial<BackfillJob>) => {
      const jobs = [backfillJob({ from: 100, to: 100, ...change })]
      const { broker } = await backFilling({ tasks: [withArgs], store, jobs })
      return backfilled(broker).map(({ items }) => items[0]?.args)
    }
    expect(await filled({ args: args(2) })).toEqual([args(2)])
    expect(await filled({ force: true, generation: 1 })).toEqual(expect.arrayContaining([args(1), args(2)]))
  })

  it('may be new: nothing is owed for them but what was asked for', async () => {
    const { broker, store, look, chain, wait } = await backFilling({
      tasks: [withArgs],
      jobs: [backfillJob({ from: 100, to: 109, args: args(9) })],
    })
    chain.advance(5)
    await look()
    await wait(1_000)
    const blocksOf9 = broker.messages.flatMap(({ items }) => items).filter((item) => item.args['netuid'] === 9)
    expect(blocksOf9.map(({ block }) => block?.number)).toEqual(range(100, 109))
    const coverage = (await store.load()).find((one) => one.argsHash === argsHash(args(9)))
    expect(coverage).toMatchObject({ startBlock: 1_001, evaluated: blocks(100, 109) })
  })
})

describe('force', () => {
  it('re-runs covered blocks as a later generation, once for each job', async () => {
    const store = createMemoryCoverageStore()
    const forced = (generation: number) =>
      backfillJob({ id: `job-${generation}`, from: 100, to: 109, force: true, generation })
    const { broker } = await backFilling({ store, jobs: [backfillJob({ from: 100, to: 109 })] })
    const second = await backFilling({ store, jobs: [forced(7), forced(8)] })
    expect(blocksOf(broker)).toEqual(range(100, 109))
    const runs = backfilled(second.broker).map(({ generation, items }) => [generation, items[0]?.block?.number])
    expect(runs).toHaveLength(20)
    for (const generation of [7, 8]) {
      expect(runs.filter(([one]) => one === generation).map(([, block]) => block)).toEqual(range(100, 109))
    }
    const ids = (all: typeof broker) => new Set(backfilled(all).flatMap(({ items }) => items.map(({ id }) => id)))
    expect(ids(second.broker)).toEqual(ids(broker))
  })
})

describe('two jobs at once', () => {
  it('over the same blocks of one task schedule each block once', async () => {
    const jobs = [
      backfillJob({ id: 'one', from: 100, to: 599 }),
      backfillJob({ id: 'two', from: 300, to: 799, chunk: 7 }),
    ]
    const { broker, backfills, store } = await backFilling({ jobs })
    expect(blocksOf(broker).toSorted((a, b) => a - b)).toEqual(range(100, 799))
    expect(store.of('a')?.evaluated[0]).toEqual({ from: 100, to: 799 })
    expect(['one', 'two'].map((id) => backfills.job(id).state)).toEqual(['completed', 'completed'])
  })

  it('that share a queue take turns', async () => {
    const tasks = [task, defineTask({ name: 'b', run })]
    const jobs = [backfillJob({ id: 'one', from: 0, to: 999 }), backfillJob({ id: 'two', from: 0, to: 999, task: 'b' })]
    const { broker } = await backFilling({ tasks, jobs })
    const order = backfilled(broker).map((message) => message.task)
    const half = order.slice(0, 1_000)
    expect(half.filter((name) => name === 'a').length).toBeGreaterThan(300)
    expect(half.filter((name) => name === 'b').length).toBeGreaterThan(300)
  })
})

describe('a condition that fails', () => {
  const failingAt = (...blocksThatFail: number[]) => {
    let isBroken = true
    const definition = defineTask({
      name: 'a',
      condition({ number }) {
        if (isBroken && blocksThatFail.includes(number)) throw new Error(`no ${number}`)
        return true
      },
      run,
    })
    return { definition, mend: () => (isBroken = false) }
  }

  it('keeps nothing but its own block, which the job names', async () => {
    const { definition, mend } = failingAt(120)
    const { broker, job, part, wait } = await backFilling({ tasks: [definition] })
    expect(blocksOf(broker)).toEqual(range(100, 199).filter((block) => block !== 120))
    expect(part().evaluated).toEqual([...blocks(100, 119), ...blocks(121, 199)])
    expect(job()).toMatchObject({
      state: 'running',
      error: expect.stringContaining('fails at block 120 with {}: no 120'),
    })
    mend()
    await wait(10_000)
    expect(blocksOf(broker).at(-1)).toBe(120)
    expect(job()).toMatchObject({ state: 'completed', error: null })
  })

  it('fails the job after some tries, which lists exactly what is missing; resumed, it tries again', async () => {
    const { definition, mend } = failingAt(120, 121, 150)
    const { job, part, wait, backfills, id } = await backFilling({ tasks: [definition], seconds: 60 })
    expect(job()).toMatchObject({
      state: 'failed',
      error: 'the condition failed again and again at blocks 120–121, 150 with {}: no 120',
    })
    expect(part().scheduled).toBe(97)
    mend()
    backfills.set(id, { state: 'pending' })
    await wait(3_000)
    expect(job().state).toBe('completed')
    expect(part()).toMatchObject({ evaluated: blocks(100, 199), scheduled: 100 })
  })

  it('everywhere ends the job without asking about a million blocks', async () => {
    let asked = 0
    const broken = defineTask({
      name: 'a',
      condition({ number }) {
        if (number < 1_000) asked += 1
        if (number < 1_000) throw new Error('never')
        return true
      },
      run,
    })
    const chain = createScriptedChain({ head: 1_000_000 })
    const jobs = [backfillJob({ from: 0, to: 999 })]
    const { job } = await backFilling({ tasks: [broken], chain, jobs, seconds: 70 })
    expect(job()).toMatchObject({ state: 'failed', error: expect.stringContaining('the rest was not tried: never') })
    expect(asked).toBeLessThanOrEqual(100 * 6)
  })

  it('does not hold up the head', async () => {
    const hangs = defineTask({
      name: 'a',
      condition: ({ number }) => (number < 1_000 ? new Promise<boolean>(() => undefined) : true),
      run,
    })
    const { broker, chain, look, leadership } = await backFilling({ tasks: [hangs] })
    chain.advance(3)
    await look()
    expect(broker.blocks('a')).toEqual([1_000, 1_001, 1_002, 1_003])
    leadership.abandon()
  })
})

describe('a leadership that ends', () => {
  it('in the middle yields the same tasks in the next one, and coverage without a hole', async () => {
    const store = createMemoryCoverageStore()
    const backfills = createMemoryBackfillStore(store)
    const away = new RetryableError('DATABASE_UNREACHABLE', 'away')
    backfills.failNext(1_000, away)
    const first = await backFilling({ store, backfills })
    expect(blocksOf(first.broker)).toEqual(range(100, 199))
    first.leadership.abandon()
    backfills.failNext(0, away)
    const second = await backFilling({ store, backfills, jobs: [] })
    expect(backfills.job(first.id).state).toBe('completed')
    expect(store.of('a')?.evaluated[0]).toEqual({ from: 100, to: 199 })
    expect(new Set(backfilled(second.broker).map(({ items }) => items[0]?.id))).toEqual(
      new Set(backfilled(first.broker).map(({ items }) => items[0]?.id)),
    )
  })

  it('because the lease is lost writes no more', async () => {
    const store = createMemoryCoverageStore()
    const { over, backfills, broker, id } = await backFilling({
      store,
      jobs: [backfillJob({ from: 0, to: 999, rate: 10 })],
    })
    store.setToken(2)
    await vi.advanceTimersByTimeAsync(3_000)
    await over
    const published = broker.messages.length
    await vi.advanceTimersByTimeAsync(10_000)
    expect(broker.messages).toHaveLength(published)
    expect(backfills.job(id).state).toBe('running')
  })
})
