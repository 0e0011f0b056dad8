import { Cancel } from '@blockmill/core'

/**
 * Why a child takes no other attempt.
 *
 * | fate | what happened |
 * | --- | --- |
 * | `timed_out` | its attempt ran longer than its timeout |
 * | `cancelled` | its attempt was cancelled |
 * | `lost` | it exited, crashed, was killed or ran out of memory |
 * | `unusable` | it could not be started, or not load the tasks |
 * | `late_error` | an error that nobody caught was left behind by an attempt that had ended |
 * | `stopped` | the worker stops |
 */
export type ChildFate = 'timed_out' | 'cancelled' | 'lost' | 'unusable' | 'late_error' | 'stopped'

/**
 * Why a child ended: its fate, or what the pool decided about one that was sound.
 *
 * | reason | what was reached |
 * | --- | --- |
 * | `max_tasks` | `maxTasksPerChild` |
 * | `max_memory` | `maxMemoryPerChild` |
 * | `idle` | a minute without an attempt |
 * | `room` | the most children, while an attempt waited for one of the other kind |
 */
export const CHILD_END_REASONS = [
  'timed_out',
  'cancelled',
  'lost',
  'unusable',
  'late_error',
  'stopped',
  'max_tasks',
  'max_memory',
  'idle',
  'room',
] as const satisfies readonly (ChildFate | 'max_tasks' | 'max_memory' | 'idle' | 'room')[]
export type ChildEndReason = (typeof CHILD_END_REASONS)[number]

/** The fate of a child whose attempt is aborted. */
export function fateOfAborted(reason: unknown): ChildFate {
  if (reason instanceof Cancel) return 'cancelled'
  return (reason as { readonly code?: unknown } | undefined)?.code === 'TASK_TIMED_OUT' ? 'timed_out' : 'stopped'
}
