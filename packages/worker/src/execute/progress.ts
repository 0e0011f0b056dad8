import type { Logger } from '@blockmill/core'

/** Shortest time between two reports of one attempt. */
const INTERVAL_MS = 500

/** What a handler reports its progress to. */
export interface ProgressReporter {
  readonly report: (done: number, total?: number) => void
  /** Ends reporting: the attempt's outcome says the rest. */
  close(): void
}

/**
 * Passes on the first report at once and then at most two a second, always ending with the latest.
 *
 * Reports that are not finite numbers are dropped with a warning: a division by zero in a progress bar is no reason to
 * fail a task.
 */
export function createProgressReporter(
  send: (done: number, total: number | undefined) => void,
  log: Logger,
): ProgressReporter {
  let timer: NodeJS.Timeout | undefined
  let latest: { readonly done: number; readonly total: number | undefined } | undefined
  let closed = false

  const sendLatest = (): void => {
    timer = undefined
    if (latest === undefined) return
    send(latest.done, latest.total)
    latest = undefined
    timer = setTimeout(sendLatest, INTERVAL_MS)
  }

  return {
    report(done, total) {
      if (closed) return
      if (!Number.isFinite(done) || !(total === undefined || Number.isFinite(total))) {
        log.warn({ done, total }, 'progress is not a finite number; it is not reported')
        return
      }
      latest = { done, total }
      if (timer === undefined) sendLatest()
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
