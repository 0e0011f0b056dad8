/**
 * The three broker queues of one logical queue. Live tasks ride `normal` unless their priority says otherwise; back-fill
 * and range batches ride `low`, so that they never delay the head.
 */
export const LANES = ['high', 'normal', 'low'] as const
export type Lane = (typeof LANES)[number]

/** Priority of a task that names none. Lower numbers go first. */
export const DEFAULT_PRIORITY = 10

/** Below 10 rides `high`, 10 rides `normal`, above 10 rides `low`. */
export function laneOf(priority: number): Lane {
  if (priority < DEFAULT_PRIORITY) return 'high'
  return priority === DEFAULT_PRIORITY ? 'normal' : 'low'
}
