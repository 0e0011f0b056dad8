import { type Logger, RetryableError } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import { backoffMs } from '../backoff.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { pause } from '../wake-up.ts'
import type { CoverageStore, EvaluatedRange } from './coverage-store.ts'

/** Writes evaluated ranges, those that come while a write is under way together in the next one. */
export interface CoverageWriter {
  /**
   * Resolves when the range is stored. Tries again while the database is unreachable.
   *
   * @throws RetryableError `SCHEDULER_LEASE_LOST` when the write is refused; the signal's reason when it aborts.
   */
  add(range: EvaluatedRange): Promise<void>
  /** Does another write, after those of all ranges that were added before and before those that are added later. */
  inTurn(write: () => Promise<void>): Promise<void>
}

type Waiting = { readonly done: PromiseWithResolvers<void> } & (
  | { readonly type: 'range'; readonly range: EvaluatedRange }
  | { readonly type: 'other'; readonly write: () => Promise<void> }
)

export interface CoverageWriterOptions {
  readonly store: CoverageStore
  /** The fencing token that every write carries. */
  readonly token: number
  /** Ends all waiting and trying again. */
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'coverageWrite'>
}

/** At each head, a hundred tasks are evaluated at about the same time: they share one or two statements. */
export function createCoverageWriter({ store, token, signal, logger, metrics }: CoverageWriterOptions): CoverageWriter {
  let waiting: Waiting[] = []
  let isWriting = false

  const writeUntilStored = async (ranges: readonly EvaluatedRange[]): Promise<void> => {
    for (let failures = 1; ; failures += 1) {
      signal.throwIfAborted()
      const end = metrics.coverageWrite.startTimer()
      try {
        await store.add(token, ranges)
        end()
        return
      } catch (error) {
        if (isLeaseLost(error) || !(error instanceof RetryableError)) throw error
        const retryInMs = Math.min(5_000, backoffMs(failures))
        logger.warn({ ...failureFields(error), retryInMs }, 'coverage could not be written; trying again')
        await pause(retryInMs, signal)
      }
    }
  }

  /** One other write, or all ranges that come before the next. */
  const takeBatch = (): Waiting[] => {
    const other = waiting.findIndex(({ type }) => type === 'other')
    const size = other === -1 ? waiting.length : Math.max(1, other)
    const batch = waiting.slice(0, size)
    waiting = waiting.slice(size)
    return batch
  }

  const wait = (one: (done: PromiseWithResolvers<void>) => Waiting): Promise<void> => {
    const done = Promise.withResolvers<void>()
    waiting.push(one(done))
    // Never rejects: each failure goes to those who wait for it.
    if (!isWriting) void writeAllWaiting()
    return done.promise
  }

  const writeAllWaiting = async (): Promise<void> => {
    isWriting = true
    while (waiting.length > 0) {
      const batch = takeBatch()
      try {
        const [first] = batch
        if (first?.type === 'other') await first.write()
        else await writeUntilStored(batch.flatMap((one) => (one.type === 'range' ? [one.range] : [])))
        for (const { done } of batch) done.resolve()
      } catch (error) {
        for (const { done } of batch) done.reject(error)
      }
    }
    isWriting = false
  }

  return {
    add: (range) => wait((done) => ({ type: 'range', range, done })),
    inTurn: (write) => wait((done) => ({ type: 'other', write, done })),
  }
}
