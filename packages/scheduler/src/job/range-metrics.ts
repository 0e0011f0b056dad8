import { BATCH_STATES, type Metrics, RANGE_JOB_STATES, isRangeJobOver } from '@blockmill/core'
import { Gauge } from 'prom-client'

import type { RangeBacklog } from './range-coordinator.ts'

export interface RangeMetricsOptions {
  readonly registry: Metrics
  readonly chain: string
  /** Asked at each scrape; `undefined` while another scheduler leads. */
  readonly rangeBacklog: () => RangeBacklog | undefined
}

/** Registers the metrics of range jobs: those of the jobs that are not over, told by the scheduler that leads. */
export function registerRangeMetrics({ registry, chain, rangeBacklog }: RangeMetricsOptions): void {
  const byState = (
    name: string,
    help: string,
    states: readonly string[],
    count: (backlog: RangeBacklog, state: string) => number,
  ): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['chain', 'state'],
      registers: [registry],
      collect() {
        this.reset()
        const backlog = rangeBacklog()
        if (backlog === undefined) return
        for (const state of states) this.set({ chain, state }, count(backlog, state))
      },
    })
  const byTask = (
    name: string,
    help: string,
    value: (task: RangeBacklog['tasks'][number]) => number | undefined,
  ): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['chain', 'task'],
      registers: [registry],
      collect() {
        this.reset()
        for (const task of rangeBacklog()?.tasks ?? []) {
          const amount = value(task)
          if (amount !== undefined) this.set({ chain, task: task.task }, amount)
        }
      },
    })

  byState(
    'blockmill_range_jobs',
    'Range jobs that are not over.',
    RANGE_JOB_STATES.filter((state) => !isRangeJobOver(state)),
    ({ jobs }, state) => jobs.filter((job) => job.state === state).length,
  )
  byState('blockmill_range_batches', 'Batches of range jobs that are not over.', BATCH_STATES, ({ batches }, state) =>
    batches.reduce((sum, one) => sum + (one.state === state ? one.batches : 0), 0),
  )
  byTask('blockmill_range_remaining_blocks', 'Blocks that range jobs still have to fetch.', ({ blocks }) => blocks)
  byTask(
    'blockmill_range_blocks_per_second',
    'Blocks that range jobs have fetched in a second over the last minute.',
    ({ blocksPerSecond }) => blocksPerSecond,
  )
  byTask(
    'blockmill_range_eta_seconds',
    'Time that range jobs still take at the speed of the last minute; no value while they stand still.',
    ({ blocks, blocksPerSecond }) => (blocksPerSecond > 0 ? blocks / blocksPerSecond : undefined),
  )
}
