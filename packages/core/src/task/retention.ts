import { inspect } from 'node:util'

import { type Duration, durationMs } from './duration.ts'

/** How long the record of a task is kept after its end; `never` means that it is never deleted. */
export type KeptFor = Duration | 'never'

/** What `defineTask` and `defineRangeTask` take for the retention of a task. */
export interface RetentionOptions {
  /**
   * How long its tasks are kept on record after their end, in place of the monitor's `BLOCKMILL_RETENTION_DAYS`: for all, or apart for
   * those that succeeded and those that did not (failed, dead, cancelled, orphaned). The task of a batch stays until its job has taken
   * over what came of it.
   */
  readonly retention?: KeptFor | { readonly succeeded?: KeptFor; readonly failed?: KeptFor }
  /** Deletes the record of a task as soon as may be after it has succeeded: the same as `retention: { succeeded: 0 }`. Default false. */
  readonly deleteOnComplete?: boolean
}

/** For how long tasks are kept after their end, in milliseconds: `null` for ever, `undefined` as the monitor is set. */
export interface TaskRetention {
  readonly succeededMs?: number | null
  readonly failedMs?: number | null
}

/** Ten years: nobody means a longer time. */
const LONGEST_MS = 3_650 * 24 * 60 * 60 * 1_000

/** The retention that options mean; `undefined` when they say nothing. They must be without `retentionProblems`. */
export function taskRetention({ retention, deleteOnComplete = false }: RetentionOptions): TaskRetention | undefined {
  const { succeeded, failed } = apart(retention)
  const kept = {
    ...(succeeded !== undefined && { succeededMs: keptMs(succeeded) }),
    ...(failed !== undefined && { failedMs: keptMs(failed) }),
    ...(deleteOnComplete && { succeededMs: 0 }),
  }
  return Object.keys(kept).length === 0 ? undefined : kept
}

/** Every rule that the retention of a task breaks. */
export function retentionProblems({ retention, deleteOnComplete }: RetentionOptions): string[] {
  const problems: string[] = []
  if (deleteOnComplete !== undefined && typeof deleteOnComplete !== 'boolean') {
    problems.push(`deleteOnComplete is ${show(deleteOnComplete)}; it must be true or false`)
  }
  if (retention === undefined) return problems
  if (typeof retention !== 'object') return [...problems, ...keptProblems('retention', retention)]
  if (retention === null || Array.isArray(retention)) {
    return [...problems, `retention is ${show(retention)}; it must be a duration, or { succeeded, failed }`]
  }
  const { succeeded, failed, ...others } = retention
  for (const key of Object.keys(others)) {
    problems.push(`retention.${key} is not known; there are succeeded and failed`)
  }
  if (deleteOnComplete === true && succeeded !== undefined) {
    problems.push('deleteOnComplete and retention.succeeded contradict each other; leave one of them out')
  }
  return [
    ...problems,
    ...(succeeded === undefined ? [] : keptProblems('retention.succeeded', succeeded)),
    ...(failed === undefined ? [] : keptProblems('retention.failed', failed)),
  ]
}

function apart(retention: RetentionOptions['retention']): { readonly succeeded?: KeptFor; readonly failed?: KeptFor } {
  if (retention === undefined) return {}
  return typeof retention === 'object' ? retention : { succeeded: retention, failed: retention }
}

function keptMs(kept: KeptFor): number | null {
  return kept === 'never' ? null : durationMs(kept, 'retention')
}

function keptProblems(what: string, kept: KeptFor): string[] {
  if (kept === 'never') return []
  try {
    if (durationMs(kept, what) <= LONGEST_MS) return []
    return [`${what} is ${show(kept)}; it must be at most 3650d ('never' keeps tasks for ever)`]
  } catch (error) {
    return [(error as Error).message]
  }
}

function show(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY })
}
