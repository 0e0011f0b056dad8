/** Bounds of the wait before the broker or a chain node is tried again. */
export interface ReconnectRange {
  /** Lower bound of every wait, and the base that doubles. Default 200 ms. */
  readonly minMs: number
  /** Upper bound of every wait. Default 15 s. */
  readonly maxMs: number
}

export const RECONNECT_RANGE: ReconnectRange = { minMs: 200, maxMs: 15_000 }

/**
 * Full jitter: a random wait between the minimum and the minimum doubled with every failure, capped. Processes that lost
 * the same broker or node together come back spread over time.
 *
 * @param failures failures in a row so far, 1 after the first.
 * @param random a number in [0, 1).
 */
export function reconnectDelay({ minMs, maxMs }: ReconnectRange, failures: number, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** failures)
  return Math.round(minMs + random * Math.max(0, ceiling - minMs))
}
