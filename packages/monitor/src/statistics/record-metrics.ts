import type { Broker, Metrics } from '@blockmill/core'
import { Gauge } from 'prom-client'

import type { Statistics } from './statistics.ts'

export interface RecordMetricsOptions {
  readonly metrics: Metrics
  readonly broker: Pick<Broker, 'depth' | 'topology'>
  readonly statistics: Pick<Statistics, 'latest'>
  readonly now: () => Date
}

/** Registers what the record and the monitor's own queues look like, read when somebody scrapes. */
export function registerRecordMetrics({ metrics, broker, statistics, now }: RecordMetricsOptions): void {
  const { monitorQueue, deadQueue, parkedQueue, resultsQueue } = broker.topology
  const gauges = [
    new Gauge({
      name: 'blockmill_tasks',
      help: 'Tasks on record, by chain, task and status.',
      labelNames: ['chain', 'task', 'status'],
      registers: [],
      collect() {
        this.reset()
        for (const { chain, name, counts } of statistics.latest()?.tasks ?? []) {
          for (const [status, count] of Object.entries(counts)) this.set({ chain, task: name, status }, count)
        }
      },
    }),
    new Gauge({
      name: 'blockmill_oldest_waiting_seconds',
      help: 'How long the task that has waited longest for its first attempt could have run already; 0 when none waits.',
      registers: [],
      collect() {
        const since = statistics.latest()?.oldestWaiting?.dueAt
        this.set(since === undefined ? 0 : Math.max(0, (now().getTime() - since.getTime()) / 1_000))
      },
    }),
    new Gauge({
      name: 'blockmill_workers',
      help: 'Workers that run, and those that were lost within the last hour.',
      labelNames: ['state'],
      registers: [],
      collect() {
        for (const [state, count] of Object.entries(statistics.latest()?.workers ?? {})) this.set({ state }, count)
      },
    }),
    new Gauge({
      name: 'blockmill_dead_letters',
      help: 'Dead letters on record.',
      registers: [],
      collect() {
        const count = statistics.latest()?.deadLetters
        if (count !== undefined) this.set(count)
      },
    }),
    new Gauge({
      name: 'blockmill_gap_blocks',
      help: 'Blocks that were not evaluated between the start of a task and the highest that was.',
      labelNames: ['chain', 'task'],
      registers: [],
      collect() {
        this.reset()
        for (const { chain, task, blocks } of statistics.latest()?.gaps ?? []) this.set({ chain, task }, blocks)
      },
    }),
    new Gauge({
      name: 'blockmill_queue_messages',
      help: 'Messages ready in a queue of the monitor: its own, the dead, the parked and that of rows.',
      labelNames: ['queue'],
      registers: [],
      async collect() {
        for (const queue of [monitorQueue, deadQueue, parkedQueue, resultsQueue]) {
          // Without a connection there is nothing to say; `blockmill_broker_connected` says that.
          const depth = await broker.depth(queue).catch(() => undefined)
          if (depth === undefined) this.remove({ queue })
          else this.set({ queue }, depth.messages)
        }
      },
    }),
  ]
  for (const gauge of gauges) metrics.registerMetric(gauge)
}
