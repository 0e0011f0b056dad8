/** A source of numbers that are the same for the same seed. */
export interface SeededRandom {
  /** A whole number from `from` to `to`, both included. */
  integer(from: number, to: number): number
  /** One of these. */
  pick<Value>(values: readonly [Value, ...Value[]]): Value
}

/** Mulberry32: 32 bits of state, good enough to choose moments and kinds by. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  return { integer, pick: (values) => values[integer(0, values.length - 1)] ?? values[0] }
}
