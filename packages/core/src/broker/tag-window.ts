/** Taken places at the front are kept until there are this many, so that forgetting them costs little per message. */
const FORGET_AT = 1_024

/**
 * Values under consecutive tags 1, 2, 3, …, as a channel numbers what is published on it. Taken in any order; everything
 * costs the same however many there are.
 */
export class TagWindow<Value> {
  /** Values of the tags from `#base` on; `undefined` where it was taken. */
  #values: (Value | undefined)[] = []
  #base = 1
  /** Places before it are taken. */
  #front = 0
  #size = 0

  /** Values not taken yet. */
  get size(): number {
    return this.#size
  }

  /** The tag that `push` gives next. */
  get nextTag(): number {
    return this.#base + this.#values.length
  }

  /** The value under the lowest tag. */
  get oldest(): Value | undefined {
    return this.#values[this.#front]
  }

  push(value: Value): void {
    this.#values.push(value)
    this.#size += 1
  }

  get(tag: number): Value | undefined {
    return this.#values[tag - this.#base]
  }

  /** Removes the value under a tag. `undefined` when it was taken before or never pushed. */
  take(tag: number): Value | undefined {
    const value = this.get(tag)
    if (value === undefined) return undefined
    this.#values[tag - this.#base] = undefined
    this.#size -= 1
    this.#advance()
    return value
  }

  /** Removes the values under this and every lower tag, in order. */
  takeUpTo(tag: number): Value[] {
    const end = Math.min(tag, this.nextTag - 1) - this.#base
    const taken: Value[] = []
    for (let place = this.#front; place <= end; place += 1) {
      const value = this.#values[place]
      if (value === undefined) continue
      taken.push(value)
      this.#values[place] = undefined
    }
    this.#size -= taken.length
    this.#advance()
    return taken
  }

  /** Visits the values in order of their tags. */
  forEach(visit: (value: Value) => void): void {
    for (const value of this.#values) if (value !== undefined) visit(value)
  }

  #advance(): void {
    while (this.#front < this.#values.length && this.#values[this.#front] === undefined) this.#front += 1
    if (this.#front < FORGET_AT) return
    this.#values = this.#values.slice(this.#front)
    this.#base += this.#front
    this.#front = 0
  }
}
