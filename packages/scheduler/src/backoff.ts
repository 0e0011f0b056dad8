const LONGEST_PAUSE_MS = 60_000

/** How long to wait before the next try: 1 s after the first failure, twice as long after each further one, 60 s at most. */
export function backoffMs(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** (failures - 1))
}
