import { describe, expect, it } from 'vitest'

import { backFilling, backfilled, blocksOf, fakeClock } from '../../test/back-filling-harness.ts'
import { range } from '../../test/leadership-harness.ts'
import { backfillJob, blocks } from '../../test/memory-backfill-store.ts'
import { createRecordingBroker } from '../../test/recording-broker.ts'

fakeClock()

describe('the metrics of jobs that run', () => {
  it('tell what is left of them by task, and nothing once they are over', async () => {
    const jobs = [
      backfillJob({ id: 'one', from: 0, to: 199, rate: 10 }),
      backfillJob({ id: 'two', from: 500, to: 599, rate: 10 }),
    ]
    const { registry, wait } = await backFilling({ jobs, seconds: 5 })
    const value = async (name: string) =>
      Number((await registry.metrics()).match(new RegExp(`^${name}\\{[^}]*task="a"[^}]*\\} (.+)$`, 'm'))?.[1])
    expect(await value('blockmill_backfill_remaining_blocks')).toBeLessThan(250)
    expect(await value('blockmill_backfill_remaining_blocks')).toBeGreaterThan(150)
    expect(await value('blockmill_backfill_blocks_per_second')).toBeCloseTo(20, -1)
    await wait(20_000)
    expect(await value('blockmill_backfill_remaining_blocks')).toBeNaN()
  })
})

describe('pause, resume and cancel', () => {
  const long = backfillJob({ from: 0, to: 999, rate: 10 })

  it('take effect within two seconds, and lose nothing', async () => {
    const { broker, wait, backfills, id, job } = await backFilling({ jobs: [long], seconds: 10 })
    backfills.set(id, { state: 'paused' })
    await wait(2_000)
    const scheduled = blocksOf(broker).length
    expect(scheduled).toBeGreaterThan(50)
    await wait(20_000)
    expect(blocksOf(broker)).toHaveLength(scheduled)
    backfills.set(id, { state: 'pending' })
    await wait(110_000)
    expect(job().state).toBe('completed')
    expect(blocksOf(broker)).toEqual(range(0, 999))
  })

  it('survive a resume before the pause was noticed', async () => {
    const { broker, wait, backfills, id, job } = await backFilling({ jobs: [long], seconds: 10 })
    backfills.set(id, { state: 'pending' })
    await wait(2_000)
    expect(job().state).toBe('running')
    await wait(100_000)
    expect(blocksOf(broker)).toEqual(range(0, 999))
  })

  it('leave a cancelled job as it is', async () => {
    const { broker, wait, backfills, id, job } = await backFilling({ jobs: [long], seconds: 5 })
    backfills.set(id, { state: 'cancelled' })
    await wait(2_000)
    const scheduled = blocksOf(broker).length
    await wait(60_000)
    expect(blocksOf(broker)).toHaveLength(scheduled)
    expect(job().state).toBe('cancelled')
  })
})

describe('what is published', () => {
  it('never exceeds the rate', async () => {
    const jobs = [backfillJob({ from: 0, to: 999, rate: 20, chunk: 100 })]
    const { broker, wait } = await backFilling({ jobs, seconds: 0 })
    for (let second = 1; second <= 20; second += 1) {
      await wait(1_000)
      expect(blocksOf(broker).length).toBeLessThanOrEqual(20 * (second + 1))
    }
    expect(blocksOf(broker).length).toBeGreaterThanOrEqual(20 * 17)
  })

  it('never exceeds the window while nobody takes it', async () => {
    const broker = createRecordingBroker()
    const depth = async () => ({ messages: backfilled(broker).length, consumers: 0 })
    const counting = Object.assign(broker, { depth })
    const jobs = [backfillJob({ from: 0, to: 999, window: 250, chunk: 100 })]
    const { job } = await backFilling({ broker: counting, jobs })
    expect(blocksOf(broker).length).toBeGreaterThan(0)
    expect(blocksOf(broker).length).toBeLessThanOrEqual(250)
    expect(job().state).toBe('running')
  })

  it('is covered only after the broker has confirmed it', async () => {
    const broker = createRecordingBroker()
    const { wait, store, backfills } = await backFilling({ broker, jobs: [] })
    broker.confirm(false)
    const job = backfillJob({ from: 100, to: 199 })
    backfills.create(job)
    await wait(3_000)
    expect(blocksOf(broker)).toEqual(range(100, 199))
    expect(store.of('a')?.evaluated).toEqual(blocks(1_000, 1_000))
    broker.confirm(true)
    await wait(2_000)
    expect(backfills.job(job.id).state).toBe('completed')
    expect(store.of('a')?.evaluated[0]).toEqual({ from: 100, to: 199 })
  })

  it('waits while blocks at the head are due', async () => {
    const broker = createRecordingBroker()
    const { chain, look, wait, backfills } = await backFilling({ broker, jobs: [] })
    broker.confirm(false)
    chain.advance()
    await look()
    const job = backfillJob({ from: 100, to: 199 })
    backfills.create(job)
    await wait(5_000)
    expect(blocksOf(broker)).toEqual([])
    broker.confirm(true)
    await wait(3_000)
    expect(backfills.job(job.id).state).toBe('completed')
  })

  it('lets it be paused, and the scheduler be stopped, while it waits for them', async () => {
    const broker = createRecordingBroker()
    const { chain, look, wait, backfills, stop } = await backFilling({ broker, jobs: [] })
    broker.confirm(false)
    chain.advance()
    await look()
    const job = backfillJob({ from: 100, to: 199 })
    backfills.create(job)
    await wait(3_000)
    backfills.set(job.id, { state: 'paused' })
    await wait(3_000)
    backfills.set(job.id, { state: 'pending' })
    await wait(3_000)
    const stopped = stop()
    broker.confirm(true)
    await wait(100)
    await stopped
    expect(blocksOf(broker)).toEqual([])
  })

  it('waits for the monitor to catch up', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(300)
    const { wait, job } = await backFilling({ broker, monitorLimit: 200 })
    expect(blocksOf(broker)).toEqual([])
    broker.setDepth(100)
    await wait(3_000)
    expect(job().state).toBe('completed')
  })
})
