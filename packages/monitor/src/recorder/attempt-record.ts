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

/** What makes an attempt's row: one that ran on two workers is history twice, and reported twice by one it is the same. */
export function attemptKey({ taskId, generation, attempt, postpones, outcome, worker }: AttemptRecord): string {
  return `${taskId} ${generation} ${attempt} ${postpones} ${outcome} ${worker}`
}

/** Of two records of one attempt, the one that ended first. */
export function mergeAttempts(a: AttemptRecord, b: AttemptRecord): AttemptRecord {
  return a.finishedAt <= b.finishedAt ? a : b
}
