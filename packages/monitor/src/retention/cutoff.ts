const DAY_MS = 24 * 60 * 60 * 1_000

/** What finished before this is older than so many days. */
export function retentionCutoff(days: number, now: Date): Date {
  return new Date(now.getTime() - days * DAY_MS)
}
