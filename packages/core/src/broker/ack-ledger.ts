/** Acknowledgements to send, fewest frames first. */
export interface Acks {
  /** Acknowledge everything up to this tag at once. */
  readonly upTo: number | undefined
  /** Acknowledge these one by one: something before them is not settled yet. */
  readonly single: readonly number[]
}

/**
 * Which deliveries of one channel are settled, and the fewest acknowledgements that tell the broker. Pure: sends nothing.
 * Holds what is not settled and nothing else, so that one delivery that takes an hour costs nothing while others pass by.
 *
 * Every delivery is settled at most once, because the broker closes the channel at a second settlement.
 */
export class AckLedger {
  /** Ascending, since a set keeps the order of insertion. */
  readonly #unsettled = new Set<number>()
  /** Acked since the last `take()`. */
  #acked: number[] = []

  /** True when `take()` has something to send. */
  get hasAcks(): boolean {
    return this.#acked.length > 0
  }

  /** A delivery arrived. Tags ascend, as a channel gives them. */
  deliver(tag: number): void {
    this.#unsettled.add(tag)
  }

  /** @returns false when it was settled before: then it must not be acknowledged again. */
  ack(tag: number): boolean {
    if (!this.#unsettled.delete(tag)) return false
    this.#acked.push(tag)
    return true
  }

  /** Acks the tag and every unsettled one before it. */
  ackUpTo(tag: number): void {
    for (const each of this.#unsettled) {
      if (each > tag) break
      this.ack(each)
    }
  }

  /**
   * Settled by the caller in another way: given back or refused.
   *
   * @returns false when it was settled before: then it must not be settled again.
   */
  settle(tag: number): boolean {
    return this.#unsettled.delete(tag)
  }

  /** What to send now for everything acked since the last call. */
  take(): Acks {
    const lowestUnsettled = this.#unsettled.values().next().value ?? Number.POSITIVE_INFINITY
    let upTo: number | undefined
    const single: number[] = []
    for (const tag of this.#acked) {
      if (tag > lowestUnsettled) single.push(tag)
      else if (upTo === undefined || tag > upTo) upTo = tag
    }
    this.#acked = []
    return { upTo, single }
  }
}
