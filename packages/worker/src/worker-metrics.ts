import type { Cause, Metrics, TaskEvent } from '@blockmill/core'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { ChildEndReason } from './isolate/child-fate.ts'
import { CHILD_KINDS, type ChildKind } from './isolate/child-pool.ts'

/** Seconds, from handlers that do nothing to those that take an hour. */
const DURATION_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600]

/** Seconds, from a task that meets an idle worker to one that was retried for a day. */
const CRITICAL_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 6, 12, 30, 60, 300, 600, 3_600, 21_600, 86_400]

/** What a metric names a task by. */
interface Named {
  readonly name: string
}

/** What a worker counts. */
export interface WorkerMetrics {
  /** @param waitedMs since it was allowed to run. */
  started(definition: Named, queue: string, waitedMs: number): void
  /** @param tookMs absent for a task that expired before it started. */
  ended(definition: Named, queue: string, event: TaskEvent['type'], tookMs: number | undefined): void
  /** A task succeeded. @param tookMs since it was scheduled, with every wait, retry and postpone. */
  completed(definition: Named, queue: string, cause: Cause, tookMs: number): void
  stuck(): void
  /** A task could have been started but for its rate limit. */
  heldBack(definition: Named): void
  /** The broker has a part of the rows of a batch. @param bytes compressed. */
  partPublished(definition: Named, rows: number, bytes: number): void
  /** A thread or process takes no more attempts. */
  childEnded(kind: ChildKind, reason: ChildEndReason): void
}

export interface WorkerGauges {
  readonly slots: number
  readonly slotsUsed: () => number
  readonly buffered: () => number
  /** Threads or processes that run attempts, start, or wait for attempts. */
  readonly children: (kind: ChildKind) => number
}

/**
 * Registers the worker's metrics. A registry takes them once, so workers that share a process need one each.
 */
export function createWorkerMetrics(
  register: Metrics,
  { slots, slotsUsed, buffered, children }: WorkerGauges,
): WorkerMetrics {
  const labelNames = ['task', 'queue'] as const
  const registers = [register]
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers })
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, labelNames, registers, buckets: DURATION_BUCKETS })
  const gauge = (name: string, help: string, value: () => number): void => {
    // prom-client asks for the value when somebody reads it, so nothing is counted in between.
    // oxlint-disable-next-line no-new
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }

  const started = counter('blockmill_tasks_started_total', 'Attempts started.')
  const succeeded = counter('blockmill_tasks_succeeded_total', 'Tasks whose handler returned.')
  const failed = counter('blockmill_tasks_failed_total', 'Tasks that failed for good.')
  const retried = counter('blockmill_tasks_retried_total', 'Failed attempts that are tried again.')
  const postponed = counter('blockmill_tasks_postponed_total', 'Postpones.')
  const cancelled = counter('blockmill_tasks_cancelled_total', 'Tasks that were cancelled.')
  const split = counter('blockmill_tasks_split_total', 'Batches that were split because their range was too large.')
  const duration = histogram('blockmill_task_duration_seconds', 'Time that attempts ran.')
  const wait = histogram(
    'blockmill_task_queue_wait_seconds',
    'Time from when a task was allowed to run until it started; deliberate delays do not count.',
  )
  const critical = new Histogram({
    name: 'blockmill_task_critical_seconds',
    help: 'Time from when a task was scheduled until it succeeded, with every wait, retry and postpone.',
    labelNames: ['task', 'queue', 'cause'],
    registers,
    buckets: CRITICAL_BUCKETS,
  })
  const stuck = new Counter({
    name: 'blockmill_worker_stuck_total',
    help: 'Handlers that ignored their aborted signal past the grace period.',
    registers,
  })
  const rateLimited = new Counter({
    name: 'blockmill_rate_limited_total',
    help: 'Tasks that had to wait for a rate limit while a slot was free.',
    labelNames: ['task'],
    registers,
  })
  const rowCounter = (name: string, help: string) => new Counter({ name, help, labelNames: ['task'], registers })
  const rows = rowCounter('blockmill_rows_emitted_total', 'Rows of range tasks that the broker has confirmed.')
  const parts = rowCounter('blockmill_row_parts_emitted_total', 'Messages that carried these rows.')
  const rowBytes = rowCounter('blockmill_row_bytes_emitted_total', 'Size of these messages: the rows, compressed.')
  const childrenEnded = new Counter({
    name: 'blockmill_worker_children_ended_total',
    help: 'Threads and processes of isolated tasks that take no more attempts, by why.',
    labelNames: ['kind', 'reason'],
    registers,
  })
  // oxlint-disable-next-line no-new
  new Gauge({
    name: 'blockmill_worker_children',
    help: 'Threads and processes of isolated tasks that run attempts, start, or wait for attempts.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const kind of CHILD_KINDS) this.set({ kind }, children(kind))
    },
  })
  gauge('blockmill_worker_slots_limit', 'Handlers that may run at once.', () => slots)
  gauge('blockmill_worker_slots_used', 'Handlers that run.', slotsUsed)
  gauge('blockmill_worker_buffered_messages', 'Messages that wait in the worker for a slot.', buffered)

  const endedCounters: Partial<Record<TaskEvent['type'], Counter<'task' | 'queue'>>> = {
    succeeded,
    failed,
    retrying: retried,
    postponed,
    cancelled,
    split,
  }
  const series = new Map<string, ReturnType<typeof createSeries>>()

  // Looking a labelled child up costs more than counting, so each task's are kept at hand.
  const createSeries = (task: string, queue: string) => {
    const labels = { task, queue }
    // From the first start on, so that ratios of a task that has only failed have a divisor.
    for (const ended of Object.values(endedCounters)) ended.inc(labels, 0)
    return { started: started.labels(labels), wait: wait.labels(labels), duration: duration.labels(labels), labels }
  }
  const seriesOf = ({ name }: Named, queue: string) => {
    const key = `${queue}/${name}`
    let found = series.get(key)
    if (found === undefined) {
      found = createSeries(name, queue)
      series.set(key, found)
    }
    return found
  }

  return {
    started(definition, queue, waitedMs) {
      const of = seriesOf(definition, queue)
      of.started.inc()
      of.wait.observe(Math.max(0, waitedMs) / 1_000)
    },
    ended(definition, queue, event, tookMs) {
      const of = seriesOf(definition, queue)
      endedCounters[event]?.inc(of.labels)
      if (tookMs !== undefined) of.duration.observe(Math.max(0, tookMs) / 1_000)
    },
    completed: ({ name }, queue, cause, tookMs) =>
      critical.observe({ task: name, queue, cause }, Math.max(0, tookMs) / 1_000),
    stuck: () => stuck.inc(),
    partPublished({ name: task }, count, bytes) {
      rows.inc({ task }, count)
      parts.inc({ task })
      rowBytes.inc({ task }, bytes)
    },
    childEnded: (kind, reason) => childrenEnded.inc({ kind, reason }),
    heldBack: ({ name }) => rateLimited.inc({ task: name }),
  }
}
