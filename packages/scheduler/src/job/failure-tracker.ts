/** Batches in a row, none of which is a piece of another, that fail before it is no longer taken for their blocks' fault. */
export const HOPELESS_AFTER = 20
/** Failures of one batch and its pieces after which the pieces are not cut any more: about forty bad blocks in a million. */
export const MAX_BISECTIONS = 1_000

/**
 * Tells blocks that fail from everything failing. A key that has expired makes every batch fail: to cut all of them down to
 * single blocks would make millions of requests for nothing.
 */
export interface FailureTracker {
  /** A batch of this number, or a piece of it, has failed. */
  failed(number: number): void
  /** Something was fetched. */
  succeeded(): void
  /** Whether a piece of this batch may be cut again. */
  mayBisect(number: number): boolean
  /** One batch after the other has failed, and none has succeeded since. */
  readonly isHopeless: boolean
}

export function createFailureTracker(): FailureTracker {
  const failures = new Map<number, number>()
  const inARow = new Set<number>()
  return {
    failed(number) {
      failures.set(number, (failures.get(number) ?? 0) + 1)
      inARow.add(number)
    },
    succeeded: () => inARow.clear(),
    mayBisect: (number) => (failures.get(number) ?? 0) <= MAX_BISECTIONS,
    get isHopeless() {
      return inARow.size >= HOPELESS_AFTER
    },
  }
}
