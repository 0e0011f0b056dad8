import type { TaskMessage } from '@blockmill/core'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import { type BackfillBacklog, createSchedulerMetrics, type TaskHeight } from './scheduler-metrics.ts'

const labels = (task: string) => ({ chain: 'dev', task })

const message: TaskMessage = {
  v: 1,
  chain: 'dev',
  task: 'a',
  queue: 'slow',
  lane: 'low',
  priority: 10,
  attempt: 1,
  postpones: 0,
  maxAttempts: 3,
  scheduledAt: '2026-01-01T00:00:00.000Z',
  cause: 'backfill',
  items: [1, 2, 3].map((number) => ({
    id: `00000000-0000-8000-8000-00000000000${number}`,
    block: { number },
    args: {},
  })),
}

function setUp() {
  const heights: TaskHeight[] = []
  const backlog: BackfillBacklog[] = []
  const registry = new Registry()
  const metrics = createSchedulerMetrics({ registry, chain: 'dev', heights: () => heights, backlog: () => backlog })
  const values = async (name: string) => {
    const metric = await registry.getSingleMetric(name)?.get()
    return metric?.values.map(({ labels: of, value }) => ({ ...of, value }))
  }
  return { heights, backlog, metrics, values }
}

it('tells how far each task is behind its head, in blocks and in seconds', async () => {
  const { heights, metrics, values } = setUp()
  metrics.headSeen('latest', { number: 105, hash: '0x1', parentHash: '0x0' })
  metrics.headSeen('finalized', { number: 102, hash: '0x1', parentHash: '0x0' })
  heights.push(
    { task: 'a', height: 90, head: 102, lagSeconds: 72 },
    { task: 'ahead', height: 103, head: 102, lagSeconds: 0 },
  )
  expect(await values('blockmill_chain_head')).toEqual([{ chain: 'dev', value: 105 }])
  expect(await values('blockmill_chain_finalized')).toEqual([{ chain: 'dev', value: 102 }])
  expect(await values('blockmill_scheduler_height')).toEqual([
    { ...labels('a'), value: 90 },
    { ...labels('ahead'), value: 103 },
  ])
  expect(await values('blockmill_scheduler_lag_blocks')).toEqual([
    { ...labels('a'), value: 12 },
    { ...labels('ahead'), value: 0 },
  ])
  expect(await values('blockmill_scheduler_lag_seconds')).toMatchObject([{ value: 72 }, { value: 0 }])
})

it('tells what back-fills have left and how long that takes, unless they stand still', async () => {
  const { backlog, values } = setUp()
  backlog.push({ task: 'a', blocks: 6_000, blocksPerSecond: 50 }, { task: 'paused', blocks: 10, blocksPerSecond: 0 })
  expect(await values('blockmill_backfill_remaining_blocks')).toMatchObject([{ value: 6_000 }, { value: 10 }])
  expect(await values('blockmill_backfill_eta_seconds')).toEqual([{ ...labels('a'), value: 120 }])
  backlog.length = 0
  expect(await values('blockmill_backfill_eta_seconds'), 'it is done').toEqual([])
})

it('counts tasks and not messages as scheduled', async () => {
  const { metrics, values } = setUp()
  metrics.scheduled(message)
  expect(await values('blockmill_tasks_scheduled_total')).toEqual([
    { ...labels('a'), queue: 'slow', lane: 'low', cause: 'backfill', value: 3 },
  ])
})

it('counts reorganisations with their depth, those that are too deep, and the tasks orphaned by them', async () => {
  const { metrics, values } = setUp()
  expect(await values('blockmill_reorgs_total'), 'there from the start, so that an alert sees the first').toEqual([
    { chain: 'dev', value: 0 },
  ])
  metrics.reorganised(3)
  metrics.reorganised(4)
  metrics.reorganisedTooDeep()
  metrics.orphaned('a')
  expect(await values('blockmill_reorgs_total')).toMatchObject([{ value: 2 }])
  expect(await values('blockmill_deep_reorgs_total')).toMatchObject([{ value: 1 }])
  expect(await values('blockmill_tasks_orphaned_total')).toEqual([{ ...labels('a'), value: 1 }])
})
