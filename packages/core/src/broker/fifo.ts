/** Taken places at the front are kept until there are this many and they outnumber the rest. */
const FORGET_AT = 1_024

/** A queue in memory that stays fast when it is long: `Array.shift` moves every element. */
export class Fifo<Value> {
  #values: Value[] = []
  #front = 0

  get length(): number {
    return this.#values.length - this.#front
  }

  push(value: Value): void {
    this.#values.push(value)
  }

  /** Puts values before all others, in their order. */
  putFirst(values: readonly Value[]): void {
    this.#values = [...values, ...this.#values.slice(this.#front)]
    this.#front = 0
  }

  shift(): Value | undefined {
    if (this.#front === this.#values.length) return undefined
    const value = this.#values[this.#front]
    this.#front += 1
    if (this.#front >= FORGET_AT && this.#front * 2 >= this.#values.length) {
      this.#values = this.#values.slice(this.#front)
      this.#front = 0
    }
    return value
  }

  /** Removes and returns everything. */
  takeAll(): Value[] {
    const values = this.#values.slice(this.#front)
    this.#values = []
    this.#front = 0
    return values
  }
}
