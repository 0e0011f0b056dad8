import type { Heartbeat } from '@blockmill/core'

/** A worker as a heartbeat shows it. */
export interface WorkerRecord {
  readonly heartbeat: Heartbeat
  readonly startedAt: number
  readonly lastSeenAt: number
}

/** Of two records of one worker, the later. */
export function mergeWorkers(a: WorkerRecord, b: WorkerRecord): WorkerRecord {
  return a.lastSeenAt >= b.lastSeenAt ? a : b
}
