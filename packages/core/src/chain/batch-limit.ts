/** How many requests travel in one HTTP body, learnt from the batches that the endpoint refuses. */
export interface BatchLimit {
  readonly size: number
  /** When a batch was last refused. */
  readonly loweredAtMs: number
}

/** Requests in one body. Public endpoints take some hundreds; the connection has rarely more in flight. */
export const MAX_BATCH = 100
/** Some refusals are only bad moments of a gateway; asking again so seldom costs next to nothing where they are not. */
const LOWERED_FOR_MS = 10 * 60_000

export const initialBatchLimit: BatchLimit = { size: MAX_BATCH, loweredAtMs: Number.NEGATIVE_INFINITY }

/** How many requests the next body may have. */
export function batchSize({ size, loweredAtMs }: BatchLimit, nowMs: number): number {
  return nowMs - loweredAtMs < LOWERED_FOR_MS ? size : MAX_BATCH
}

/** Half of what was refused, for ten minutes; never below one, which is no batch. */
export function lowerBatchLimit(limit: BatchLimit, refused: number, nowMs: number): BatchLimit {
  return { size: Math.max(1, Math.min(batchSize(limit, nowMs), Math.floor(refused / 2))), loweredAtMs: nowMs }
}
