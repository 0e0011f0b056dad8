import type { ChainSource, Logger } from '@blockmill/core'

import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { createWakeUp } from '../wake-up.ts'

/** So many blocks should have come before a chain counts as silent. */
const BLOCK_TIMES = 10
/** Below this, a chain that skips a few blocks would be taken for silent. */
const SHORTEST_TIMEOUT_MS = 30_000
/** While the time between blocks is not known: ten times that of a slow chain. */
const FIRST_TIMEOUT_MS = 120_000

/** Resets a chain source that answers, but shows no new head: a half-dead socket, or a node that no longer syncs. */
export interface HeadWatchdog {
  /** A head that was not there before: the wait begins anew. */
  sawNewHead(): void
  /** Watches until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface HeadWatchdogOptions {
  readonly source: Pick<ChainSource, 'reset' | 'isHealthy'>
  /** Longest time without a new head. Default: ten times the time between blocks, at least 30 s; 2 min until that is known. */
  readonly timeoutMs?: number | undefined
  /** Time between two blocks as it was lately; `undefined` while nobody knows. */
  readonly blockTimeMs: () => number | undefined
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'chainReset'>
}

/**
 * One reset for each time-out, so that a chain that really stands still costs one new connection now and then. A source that is
 * not healthy is looking for an endpoint already, and is left alone.
 */
export function createHeadWatchdog(options: HeadWatchdogOptions): HeadWatchdog {
  const { source, timeoutMs, blockTimeMs, logger, metrics } = options
  const wakeUp = createWakeUp()
  let sinceMs = performance.now()

  const currentTimeoutMs = (): number => {
    if (timeoutMs !== undefined) return timeoutMs
    const blockTime = blockTimeMs()
    return blockTime === undefined ? FIRST_TIMEOUT_MS : Math.max(SHORTEST_TIMEOUT_MS, BLOCK_TIMES * blockTime)
  }

  const reset = (): void => {
    if (!source.isHealthy()) return
    const noNewHeadForMs = Math.round(performance.now() - sinceMs)
    logger.warn({ noNewHeadForMs }, 'no new head was seen for too long; going on with the next endpoint')
    metrics.chainReset()
    source.reset(`no new head for ${Math.round(noNewHeadForMs / 1_000)} s`)
  }

  return {
    sawNewHead() {
      sinceMs = performance.now()
      // The time between blocks, and so the time-out, may have changed.
      wakeUp.notify()
    },

    async run(signal) {
      sinceMs = performance.now()
      while (!signal.aborted) {
        const leftMs = sinceMs + currentTimeoutMs() - performance.now()
        if (leftMs > 0) {
          await wakeUp.wait(signal, leftMs)
        } else {
          reset()
          sinceMs = performance.now()
        }
      }
    },
  }
}
