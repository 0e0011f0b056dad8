import { rangeSize, type RangeJob } from '@blockmill/core'

import { createProgressMeter } from '../backfill/progress-meter.ts'
import type { Batch, EndedBatch } from './batch.ts'
import { type BatchOutcome, outcomeOf } from './batch-outcome.ts'
import { createFailureTracker } from './failure-tracker.ts'
import type { BatchMoved } from './job-store.ts'
import type { JobTerms } from './job-terms.ts'
import { planPieces } from './plan-batches.ts'

/** What is remembered of a job while its scheduler leads. Everything else is on record. */
export class RangeJobRun {
  readonly terms: JobTerms
  /** What keeps it from going on; null when nothing does. */
  trouble: string | null = null
  /** Batches whose tasks have succeeded, and whose rows are not all stored. */
  awaitingRows = 0
  /** It had fewer batches to dispatch than it might have, when that was looked at last: its blocks are not final yet, say. */
  isDry = false
  #job: RangeJob
  readonly #failures = createFailureTracker()
  readonly #blocks
  readonly #rows
  #lastError = ''

  constructor(job: RangeJob, terms: JobTerms, nowMs: number) {
    this.#job = job
    this.terms = terms
    this.#blocks = createProgressMeter(nowMs)
    this.#rows = createProgressMeter(nowMs)
  }

  get job(): RangeJob {
    return this.#job
  }

  /** True while its batches may be dispatched. */
  get isRunning(): boolean {
    return this.#job.state === 'running'
  }

  /** For people; null when nothing is wrong. */
  get note(): string | null {
    if (this.trouble !== null) return this.trouble
    return this.awaitingRows === 0
      ? null
      : `it waits until a monitor has stored the rows of ${this.awaitingRows} batches`
  }

  /** Why it makes no sense to go on; `undefined` while it does. */
  get hopelessness(): string | undefined {
    if (!this.#failures.isHopeless) return undefined
    return `paused, because one batch after the other has failed: ${this.#lastError}; resume it when that is put right`
  }

  blocksPerSecond(nowMs: number): number {
    return this.#blocks.perSecond(nowMs)
  }

  rowsPerSecond(nowMs: number): number {
    return this.#rows.perSecond(nowMs)
  }

  /** The job as it is on record now. */
  follow(job: RangeJob): void {
    this.#job = job
  }

  /** Decides what becomes of a batch whose task is over. */
  outcomeOf(batch: EndedBatch): BatchOutcome {
    const { minBatch } = this.terms
    if (batch.status === 'failed' || batch.status === 'dead') {
      this.#failures.failed(batch.number)
      this.#lastError = (batch.error?.message ?? batch.reason ?? batch.status).slice(0, 500)
    }
    return outcomeOf(batch, { minBatch, mayBisect: this.#failures.mayBisect(batch.number) })
  }

  /** How a batch moves on that has this outcome. */
  moveOf(batch: Batch, outcome: BatchOutcome): BatchMoved {
    switch (outcome.type) {
      case 'succeeded': {
        const { manifest } = outcome
        // As plain data, without the promise of its type that it does not change.
        return { batch, state: 'succeeded', rows: manifest.rows, output: structuredClone(manifest) as never }
      }
      case 'split': {
        const pieces = planPieces(this.#job, this.terms, batch, outcome.pieces, outcome.isBisection)
        return { batch, state: 'split', pieces }
      }
      case 'failed':
        return { batch, state: 'failed', error: outcome.error }
    }
  }

  /** This is on record. */
  moved({ batch, state, rows = 0 }: BatchMoved, nowMs: number): void {
    if (state !== 'succeeded') return
    this.#failures.succeeded()
    this.#blocks.add(rangeSize(batch), nowMs)
    this.#rows.add(rows, nowMs)
  }
}
