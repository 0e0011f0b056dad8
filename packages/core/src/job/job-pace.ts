/** A rate that was reported longer ago than this is of a scheduler that has gone. */
const RATE_VALID_MS = 15_000

/** How fast a durable job is. */
export interface JobPace {
  /** Blocks in a second over the last minute; 0 while it is not running. */
  readonly blocksPerSecond: number
  /** Until it is done at that rate; null when nobody can tell. */
  readonly etaSeconds: number | null
}

/** How far a durable job is; its total is null until that is known. */
export interface JobExtent {
  readonly state: string
  readonly done: number
  readonly total: number | null
}

/** What the rate on record is worth now, and how long the rest takes at that rate. */
export function jobPace(
  { done, total, state }: JobExtent,
  reported: { readonly blocksPerSecond: number | null; readonly at: Date | null },
  now: Date,
): JobPace {
  const isCurrent =
    state === 'running' && reported.at !== null && now.getTime() - reported.at.getTime() <= RATE_VALID_MS
  const blocksPerSecond = isCurrent ? (reported.blocksPerSecond ?? 0) : 0
  const isOver = state === 'completed'
  if (isOver) return { blocksPerSecond, etaSeconds: 0 }
  return {
    blocksPerSecond,
    etaSeconds: total === null || blocksPerSecond === 0 ? null : (total - done) / blocksPerSecond,
  }
}
