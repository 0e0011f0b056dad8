/** Batches that are kept in a queue for workers that are hardly known yet. */
const LEAST_LEVEL = 64
/** Batches that may be queued while no worker serves their queue: nobody else has to wait for them. */
const LEVEL_WITHOUT_WORKERS = 1_000
/** Batches for each slot, so that no worker waits from one look to the next. */
const BATCHES_PER_SLOT = 4

/** What is known of those who work on a queue. */
export interface QueueWorkers {
  /** Tasks that all workers of the queue can run at once; 0 when none is there. */
  readonly slots: number
  /** Batches of the queue that ended within the last two seconds. */
  readonly endedLately: number
}

/**
 * How many batches of a queue may be out at once: enough to keep its workers busy for some seconds, and not many more, so that
 * a job that comes later need not wait behind all that an earlier one has queued.
 */
export function queueLevel({ slots, endedLately }: QueueWorkers): number {
  if (slots === 0) return LEVEL_WITHOUT_WORKERS
  return Math.max(LEAST_LEVEL, BATCHES_PER_SLOT * slots, 2 * endedLately)
}

/** A job of a queue that has batches to dispatch. */
export interface Contender {
  readonly id: string
  /** Its batches that are out. */
  readonly queued: number
  /** Most of them that may be. */
  readonly window: number
}

/**
 * How many batches each job may dispatch now: all have the same share of the queue, however large they are, and what one cannot
 * use goes to the others.
 */
export function fairShares(jobs: readonly Contender[], level: number): ReadonlyMap<string, number> {
  const shares = new Map<string, number>()
  let left = level
  for (const [index, { id, queued, window }] of jobs.toSorted((a, b) => a.window - b.window).entries()) {
    const share = Math.min(window, Math.max(1, Math.floor(left / (jobs.length - index))))
    left -= share
    shares.set(id, Math.max(0, share - queued))
  }
  return shares
}
