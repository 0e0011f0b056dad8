import type { BlockHeader, Head, Metrics, TaskMessage } from '@blockmill/core'
import { Counter, Gauge, Histogram } from 'prom-client'

import { registerRangeMetrics } from './job/range-metrics.ts'
import type { RangeBacklog } from './job/range-coordinator.ts'

/** How far one task has come on the head that it follows, over all its arguments. */
export interface TaskHeight {
  readonly task: string
  /** Every live block up to this one was evaluated. */
  readonly height: number
  readonly head: number
  /** How long ago the first block that is not evaluated yet was seen; 0 when there is none. */
  readonly lagSeconds: number
}

/** What a scheduler counts. */
export interface SchedulerMetrics {
  headSeen(head: Head, header: BlockHeader): void
  /** The chain source was made to go on with another endpoint, because no new head was seen. */
  chainReset(): void
  /** The chain has replaced so many of the newest blocks. */
  reorganised(depth: number): void
  /** The chain has replaced more blocks than are kept. */
  reorganisedTooDeep(): void
  /** Tasks of replaced blocks were reported as orphaned. */
  orphaned(task: string): void
  scheduled(message: TaskMessage): void
  conditionFailed(task: string): void
  /** A task was published again, because its message was gone. */
  reconciled(message: TaskMessage): void
  /** Starts the clock of one coverage write; call what it returns when the write is done. */
  readonly coverageWrite: { startTimer(): () => void }
  leading(isLeading: boolean): void
  monitorBehind(isBehind: boolean): void
}

/** What the back-fill jobs of one task still have to do. */
export interface BackfillBacklog {
  readonly task: string
  /** Blocks that are not evaluated yet, over all sets of arguments. */
  readonly blocks: number
  /** Over the last minute. */
  readonly blocksPerSecond: number
}

export interface SchedulerMetricsOptions {
  readonly registry: Metrics
  readonly chain: string
  /** Asked at each scrape. */
  readonly heights: () => readonly TaskHeight[]
  /** Asked at each scrape: the jobs that run. */
  readonly backlog: () => readonly BackfillBacklog[]
  /** Asked at each scrape: the range jobs that are not over; `undefined` while another scheduler leads. */
  readonly rangeBacklog?: () => RangeBacklog | undefined
}

/** Registers the scheduler's metrics. Each carries the chain's name; labels are bounded by the number of tasks. */
export function createSchedulerMetrics({
  registry,
  chain,
  heights,
  backlog,
  rangeBacklog = () => undefined,
}: SchedulerMetricsOptions): SchedulerMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string): Gauge<'chain'> =>
    new Gauge({ name, help, labelNames: ['chain'], registers })
  const gaugeOf = <One extends { readonly task: string }>(
    all: () => readonly One[],
    name: string,
    help: string,
    value: (one: One) => number,
  ): Gauge<'chain' | 'task'> =>
    new Gauge({
      name,
      help,
      labelNames: ['chain', 'task'],
      registers,
      collect() {
        this.reset()
        for (const one of all()) this.set({ chain, task: one.task }, value(one))
      },
    })
  const taskGauge = (name: string, help: string, value: (height: TaskHeight) => number): Gauge<'chain' | 'task'> =>
    gaugeOf(heights, name, help, value)

  const heads = {
    latest: gauge('blockmill_chain_head', 'Number of the newest block seen.'),
    finalized: gauge('blockmill_chain_finalized', 'Number of the newest finalized block seen.'),
  }
  taskGauge('blockmill_scheduler_height', 'Every live block up to this one was evaluated.', ({ height }) => height)
  taskGauge('blockmill_scheduler_lag_blocks', 'Blocks from the height to the head.', ({ head, height }) =>
    Math.max(0, head - height),
  )
  taskGauge(
    'blockmill_scheduler_lag_seconds',
    'How long ago the first block that is not evaluated yet was seen.',
    ({ lagSeconds }) => lagSeconds,
  )
  gaugeOf(
    backlog,
    'blockmill_backfill_remaining_blocks',
    'Blocks that running back-fills still have to evaluate.',
    ({ blocks }) => blocks,
  )
  gaugeOf(
    backlog,
    'blockmill_backfill_blocks_per_second',
    'Blocks that running back-fills have evaluated in a second over the last minute.',
    ({ blocksPerSecond }) => blocksPerSecond,
  )
  gaugeOf(
    // One that stands still never ends, and Prometheus has a better word for that than infinity: no value.
    () => backlog().filter(({ blocksPerSecond }) => blocksPerSecond > 0),
    'blockmill_backfill_eta_seconds',
    'Time that running back-fills still take at the speed of the last minute; no value while they stand still.',
    ({ blocks, blocksPerSecond }) => blocks / blocksPerSecond,
  )
  registerRangeMetrics({ registry, chain, rangeBacklog })
  const chainResets = new Counter({
    name: 'blockmill_chain_resets_total',
    help: 'Changes to another endpoint, because no new head was seen for too long.',
    labelNames: ['chain'],
    registers,
  })
  chainResets.inc({ chain }, 0)
  const reorgs = new Counter({
    name: 'blockmill_reorgs_total',
    help: 'Reorganisations of the newest blocks.',
    labelNames: ['chain'],
    registers,
  })
  const reorgDepth = new Histogram({
    name: 'blockmill_reorg_depth_blocks',
    help: 'Blocks that a reorganisation has replaced.',
    labelNames: ['chain'],
    buckets: [1, 2, 3, 5, 10, 20, 50, 100, 500, 1_000],
    registers,
  })
  const deepReorgs = new Counter({
    name: 'blockmill_deep_reorgs_total',
    help: 'Reorganisations of more blocks than are kept: a person should look.',
    labelNames: ['chain'],
    registers,
  })
  for (const counter of [reorgs, deepReorgs]) counter.inc({ chain }, 0)
  const orphaned = new Counter({
    name: 'blockmill_tasks_orphaned_total',
    help: 'Tasks that were reported as orphaned, because the chain has replaced their blocks.',
    labelNames: ['chain', 'task'],
    registers,
  })
  const scheduled = new Counter({
    name: 'blockmill_tasks_scheduled_total',
    help: 'Tasks that the broker has confirmed.',
    labelNames: ['chain', 'task', 'queue', 'lane', 'cause'],
    registers,
  })
  const conditionErrors = new Counter({
    name: 'blockmill_condition_errors_total',
    help: 'Conditions and args functions that threw, rejected or took too long.',
    labelNames: ['chain', 'task'],
    registers,
  })
  const reconciled = new Counter({
    name: 'blockmill_reconciled_tasks_total',
    help: 'Tasks that were published again because their message was gone.',
    labelNames: ['chain', 'task', 'queue'],
    registers,
  })
  const coverageWrite = new Histogram({
    name: 'blockmill_coverage_write_seconds',
    help: 'Time of one coverage write, the waiting for its lock included.',
    labelNames: ['chain'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
    registers,
  })
  const leader = gauge('blockmill_scheduler_leader', '1 while this scheduler is the active one of its chain, else 0.')
  leader.set({ chain }, 0)
  const monitorBehind = gauge(
    'blockmill_scheduler_monitor_behind',
    '1 while lookback and back-fill wait, because too many messages wait for the monitor, else 0.',
  )
  monitorBehind.set({ chain }, 0)

  return {
    headSeen: (head, { number }) => heads[head].set({ chain }, number),
    chainReset: () => chainResets.inc({ chain }),
    reorganised(depth) {
      reorgs.inc({ chain })
      reorgDepth.observe({ chain }, depth)
    },
    reorganisedTooDeep: () => deepReorgs.inc({ chain }),
    orphaned: (task) => orphaned.inc({ chain, task }),
    scheduled: ({ task, queue, lane, cause, items }) =>
      scheduled.inc({ chain, task, queue, lane, cause }, items.length),
    conditionFailed: (task) => conditionErrors.inc({ chain, task }),
    reconciled: ({ task, queue }) => reconciled.inc({ chain, task, queue }),
    coverageWrite: { startTimer: () => coverageWrite.startTimer({ chain }) },
    leading: (isLeading) => leader.set({ chain }, isLeading ? 1 : 0),
    monitorBehind: (isBehind) => monitorBehind.set({ chain }, isBehind ? 1 : 0),
  }
}
