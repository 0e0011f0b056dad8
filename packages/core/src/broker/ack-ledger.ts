/** Acknowledgements to send, fewest frames first. */
export interface Acks {
  /** Acknowledge everything up to this tag at once. */
  readonly upTo: number | undefined
  /** Acknowledge these one by one: something before them is not settled yet. */
  readonly single: readonly number[]
}

const UNSETTLED = 0
const ACKED = 1
const SETTLED = 2
type State = typeof UNSETTLED | typeof ACKED | typeof SETTLED

/** Settled tags at the front are kept until there are this many, so that forgetting them costs little per delivery. */
const FORGET_AT = 1_024

/**
 * Which deliveries of one channel are settled, and the fewest acknowledgements that tell the broker. A channel numbers its
 * deliveries from 1, one by one. Pure: sends nothing.
 *
 * Every tag is settled at most once, because a second settlement closes the channel.
 */
export class AckLedger {
  /** States of the tags from `#base` on. */
  #states: State[] = []
  #base = 1
  /** Every tag below it is settled or acked. */
  #lowestUnsettled = 1
  /** Acked since the last `take()`. */
  #acked: number[] = []

  /** True when `take()` has something to send. */
  get hasAcks(): boolean {
    return this.#acked.length > 0
  }

  /** A delivery arrived. Tags must come in order, without gaps. */
  deliver(tag: number): void {
    if (tag !== this.#base + this.#states.length) {
      throw new RangeError(`delivery tag ${tag} came where ${this.#base + this.#states.length} was due`)
    }
    this.#states.push(UNSETTLED)
  }

  /** @returns false when it was settled before: then it must not be acknowledged again. */
  ack(tag: number): boolean {
    if (this.#state(tag) !== UNSETTLED) return false
    this.#states[tag - this.#base] = ACKED
    this.#acked.push(tag)
    return true
  }

  /** Acks the tag and every unsettled one before it. */
  ackUpTo(tag: number): void {
    for (let each = this.#lowestUnsettled; each <= tag; each += 1) this.ack(each)
  }

  /**
   * Settled by the caller in another way: given back or refused.
   *
   * @returns false when it was settled before: then it must not be settled again.
   */
  settle(tag: number): boolean {
    if (this.#state(tag) !== UNSETTLED) return false
    this.#states[tag - this.#base] = SETTLED
    return true
  }

  /** What to send now for everything acked since the last call. */
  take(): Acks {
    let upTo: number | undefined
    while (this.#lowestUnsettled < this.#base + this.#states.length) {
      const state = this.#state(this.#lowestUnsettled)
      if (state === UNSETTLED) break
      if (state === ACKED) upTo = this.#lowestUnsettled
      this.#lowestUnsettled += 1
    }
    const single = this.#acked.filter((tag) => tag >= this.#lowestUnsettled)
    // Sent now, so a later "up to" must not end on them.
    for (const tag of single) this.#states[tag - this.#base] = SETTLED
    this.#acked = []
    this.#forget()
    return { upTo, single }
  }

  #state(tag: number): State {
    return this.#states[tag - this.#base] ?? SETTLED
  }

  #forget(): void {
    const settled = this.#lowestUnsettled - this.#base
    if (settled < FORGET_AT) return
    this.#states = this.#states.slice(settled)
    this.#base = this.#lowestUnsettled
  }
}
