import type { TaskItem } from '@blockmill/core'
import type { WorkUnit } from '../consume/work-unit.ts'

/** One execution of one task. */
export interface Attempt {
  readonly unit: WorkUnit
  readonly item: TaskItem
  readonly startedAtMs: number
  /** Aborts the handler's signal. */
  readonly abort: AbortController
}

export function createAttempt(unit: WorkUnit, item: TaskItem, startedAtMs: number): Attempt {
  return { unit, item, startedAtMs, abort: new AbortController() }
}
