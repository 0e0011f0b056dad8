/** Answered places at the front are kept until there are this many and they outnumber the rest. */
const FORGET_AT = 1_024

/**
 * What was published on one channel and is not confirmed yet, by delivery tag. A channel numbers what is published on it from 1.
 *
 * Not a `Map`, because V8 links each hash table that a `Map` outgrows to the one after it. Once one of them is old, all that
 * follow are kept until the next full garbage collection, with every message that was ever in them.
 */
export class ConfirmWindow<Value> {
  #values: (Value | undefined)[] = []
  /** Tag of the first place. */
  #firstTag = 1
  /** The first place that may be unanswered. */
  #front = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The tag that the next one gets. */
  get nextTag(): number {
    return this.#firstTag + this.#values.length
  }

  add(value: Value): void {
    this.#values.push(value)
    this.#size += 1
  }

  get(tag: number): Value | undefined {
    return this.#values[tag - this.#firstTag]
  }

  /** The oldest that is not confirmed. */
  first(): Value | undefined {
    this.#skipAnswered()
    return this.#values[this.#front]
  }

  /** Removes and returns what the broker has answered: one tag, or with `multiple` all up to it, the oldest first. */
  take(tag: number, multiple: boolean): Value[] {
    const place = tag - this.#firstTag
    const taken: Value[] = []
    for (let at = multiple ? this.#front : place; at <= place && at < this.#values.length; at += 1) {
      const value = this.#values[at]
      if (value === undefined) continue
      this.#values[at] = undefined
      taken.push(value)
    }
    this.#size -= taken.length
    this.#forget()
    return taken
  }

  /** All that is not confirmed, the oldest first. */
  values(): Value[] {
    return this.#values.filter((value) => value !== undefined)
  }

  /** Forgets everything but which tag comes next. */
  clear(): void {
    this.#firstTag = this.nextTag
    this.#values = []
    this.#front = 0
    this.#size = 0
  }

  #skipAnswered(): void {
    while (this.#front < this.#values.length && this.#values[this.#front] === undefined) this.#front += 1
  }

  #forget(): void {
    this.#skipAnswered()
    if (this.#front < FORGET_AT || this.#front * 2 < this.#values.length) return
    this.#values = this.#values.slice(this.#front)
    this.#firstTag += this.#front
    this.#front = 0
  }
}
