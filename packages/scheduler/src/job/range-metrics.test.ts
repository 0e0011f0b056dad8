import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import type { RangeBacklog } from './range-coordinator.ts'
import { registerRangeMetrics } from './range-metrics.ts'

function setUp(backlog: RangeBacklog | undefined) {
  const registry = new Registry()
  registerRangeMetrics({ registry, chain: 'dev', rangeBacklog: () => backlog })
  return async (name: string) => {
    const metric = await registry.getSingleMetric(`blockmill_range_${name}`)?.get()
    return metric?.values.map(({ labels: { state, task }, value }) =>
      state === undefined ? { task, value } : { state, value },
    )
  }
}

it('counts jobs and batches by state, and tells what is left of each task and for how long', async () => {
  const values = setUp({
    jobs: [
      { task: 'a', state: 'running' },
      { task: 'a', state: 'running' },
      { task: 'b', state: 'paused' },
    ],
    batches: [
      { state: 'queued', batches: 3 },
      { state: 'queued', batches: 4 },
      { state: 'succeeded', batches: 5 },
    ],
    tasks: [
      { task: 'a', blocks: 1_000, blocksPerSecond: 50 },
      { task: 'b', blocks: 500, blocksPerSecond: 0 },
    ],
  })
  expect(await values('jobs')).toEqual([
    { state: 'pending', value: 0 },
    { state: 'running', value: 2 },
    { state: 'paused', value: 1 },
  ])
  expect((await values('batches'))?.filter(({ value }) => value > 0)).toEqual([
    { state: 'queued', value: 7 },
    { state: 'succeeded', value: 5 },
  ])
  expect(await values('remaining_blocks')).toEqual([
    { task: 'a', value: 1_000 },
    { task: 'b', value: 500 },
  ])
  expect(await values('blocks_per_second')).toEqual([
    { task: 'a', value: 50 },
    { task: 'b', value: 0 },
  ])
  expect(await values('eta_seconds')).toEqual([{ task: 'a', value: 20 }])
})

it('tells nothing while another scheduler leads', async () => {
  const values = setUp(undefined)
  expect(await values('jobs')).toEqual([])
  expect(await values('remaining_blocks')).toEqual([])
})
