import type { Metrics } from '@blockmill/core'
import { Counter, Gauge, Histogram } from 'prom-client'

/** A batch that was stored. */
export interface RecordedBatch {
  readonly messages: number
  readonly rows: number
  /** Time from taking it to its commit. */
  readonly seconds: number
  /** Age of the latest of what it says; absent when it says nothing. */
  readonly lagSeconds?: number
}

/** What the recorder counts. */
export interface RecorderMetrics {
  /** A batch was stored and acked. */
  recorded(batch: RecordedBatch): void
  retried(): void
  buried(reason: string): void
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const SIZES = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000]

/** @param waiting messages that were delivered and are not stored yet. */
export function createRecorderMetrics(
  register: Metrics,
  { waiting, isAvailable }: { readonly waiting: () => number; readonly isAvailable: () => boolean },
): RecorderMetrics {
  const registers = [register]
  const messages = new Counter({
    name: 'blockmill_recorder_messages_total',
    help: 'Messages stored and acknowledged.',
    registers,
  })
  const rows = new Counter({
    name: 'blockmill_recorder_rows_total',
    help: 'Rows written, after folding: one for each task, attempt and worker of a batch.',
    registers,
  })
  const sizes = new Histogram({
    name: 'blockmill_recorder_batch_messages',
    help: 'Messages stored in one transaction.',
    buckets: SIZES,
    registers,
  })
  const durations = new Histogram({
    name: 'blockmill_recorder_write_seconds',
    help: 'Time that one batch took to store, waiting for the database included.',
    buckets: SECONDS,
    registers,
  })
  const lag = new Gauge({
    name: 'blockmill_recorder_lag_seconds',
    help: 'How far the record is behind: age of the latest event of the last batch when it was stored.',
    registers,
  })
  const retries = new Counter({
    name: 'blockmill_recorder_retries_total',
    help: 'Writes that had to be made again, because the database was unavailable or busy with the same rows.',
    registers,
  })
  const dead = new Counter({
    name: 'blockmill_recorder_dead_total',
    help: 'Messages sent to the dead queue, because they could not be read or stored.',
    labelNames: ['reason'],
    registers,
  })
  register.registerMetric(
    gauge('blockmill_recorder_waiting_messages', 'Messages that were delivered and are not stored yet.', waiting),
  )
  register.registerMetric(
    gauge('blockmill_recorder_database_available', '1 while the database takes records.', () => Number(isAvailable())),
  )
  return {
    recorded(batch) {
      messages.inc(batch.messages)
      rows.inc(batch.rows)
      sizes.observe(batch.messages)
      durations.observe(batch.seconds)
      if (batch.lagSeconds !== undefined) lag.set(batch.lagSeconds)
    },
    retried: () => retries.inc(),
    buried: (reason) => dead.inc({ reason }),
  }
}

/** A gauge that asks for its value when somebody reads it. */
function gauge(name: string, help: string, value: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(value())
    },
  })
}
