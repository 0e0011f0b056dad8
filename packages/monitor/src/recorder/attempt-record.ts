import type { AttemptOutcome } from '@blockmill/core'

/** An attempt that ended without success. Times are Unix milliseconds. */
export interface AttemptRecord {
  readonly taskId: string
  readonly generation: number
  readonly attempt: number
  readonly postpones: number
  readonly outcome: AttemptOutcome
  readonly startedAt: number
  readonly finishedAt: number
  readonly worker: string
  /** JSON. */
  readonly error: string | null
  readonly reason: string | null
  readonly delayMs: number | null
}

/** What makes an attempt's row: an attempt that ran twice and ended the same way both times is recorded once. */
export function attemptKey({ taskId, generation, attempt, postpones, outcome }: AttemptRecord): string {
  return `${taskId} ${generation} ${attempt} ${postpones} ${outcome}`
}

/** Of two records of one attempt, the one that ended first. */
export function mergeAttempts(a: AttemptRecord, b: AttemptRecord): AttemptRecord {
  if (a.finishedAt !== b.finishedAt) return a.finishedAt < b.finishedAt ? a : b
  return a.worker <= b.worker ? a : b
}
