import { setTimeout as delay } from 'node:timers/promises'

import { type Backfills, type BackfillSummary, isBackfillOver } from '@blockmill/core'

import type { ProgressBar } from '../progress-bar.ts'

const LOOK_EVERY_MS = 500

/**
 * Shows a job's progress until it is over, or the signal aborts. A note, such as what it waits for, is told when it changes.
 *
 * @throws NonRetryableError `BACKFILL_UNKNOWN`.
 */
export async function watchBackfill(
  backfills: Backfills,
  id: string,
  {
    progress,
    tell,
    signal,
  }: { readonly progress: ProgressBar; readonly tell: (line: string) => void; readonly signal: AbortSignal },
): Promise<BackfillSummary> {
  let told = ''
  while (true) {
    const job = await backfills.summary(id)
    const note = `${job.state}${job.error === null ? '' : `: ${job.error}`}`
    if (note !== told) {
      progress.end()
      tell(note)
      told = note
    }
    if (isBackfillOver(job.state) || signal.aborted) {
      progress.end()
      return job
    }
    if (job.total !== null) progress.show({ done: job.done, total: job.total, perSecond: job.blocksPerSecond })
    // The signal ends the wait; the next look is the last.
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}
