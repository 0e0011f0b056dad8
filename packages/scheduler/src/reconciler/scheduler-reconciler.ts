import { type Broker, createControl, type ExecutionDefinition, type Logger, SMALLEST_DELAY_MS } from '@blockmill/core'

import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import type { Sql } from '../sql.ts'
import { createOverdueStore } from './overdue-store.ts'
import { createQueueSurvey } from './queue-survey.ts'
import { createReconciler, type Reconciler } from './reconciler.ts'

/** How tasks are looked for whose messages are gone. */
export interface ReconcilerConfig {
  /** How long a task must have waited in vain. Default 10 minutes. */
  readonly reconcileAfterMs?: number
  /** Between two passes. Default 1 minute. */
  readonly reconcileIntervalMs?: number
  /** Most tasks that are published in one pass. Default 500. */
  readonly reconcileBatch?: number
  /** The first step of the delay queues. Default 1 s. */
  readonly smallestDelayMs?: number
}

export interface SchedulerReconcilerOptions {
  readonly config: ReconcilerConfig & { readonly chain: string }
  readonly definitions: readonly Pick<ExecutionDefinition, 'name'>[]
  readonly broker: Pick<Broker, 'publisher' | 'topology' | 'depth' | 'listen'>
  readonly sql: Sql
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'reconciled'>
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The reconciler of a scheduler, on its broker and database. What it listens through ends with the broker's connection. */
export function createSchedulerReconciler(options: SchedulerReconcilerOptions): Reconciler {
  const { config, broker, sql, logger, now } = options
  const { chain, smallestDelayMs = SMALLEST_DELAY_MS } = config
  return createReconciler({
    ...options,
    chain,
    survey: createQueueSurvey({ broker, smallestDelayMs, now }),
    control: createControl({ broker, logger, by: 'scheduler' }),
    store: createOverdueStore({ sql, chain }),
    afterMs: config.reconcileAfterMs ?? 10 * 60_000,
    intervalMs: config.reconcileIntervalMs ?? 60_000,
    batch: config.reconcileBatch ?? 500,
  })
}
