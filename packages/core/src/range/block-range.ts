import { NonRetryableError } from '../errors/blockmill-error.ts'

/** Blocks `from` to `to`, both included. */
export interface BlockRange {
  readonly from: number
  readonly to: number
}

/** Disjoint ranges in ascending order that do not touch each other: the normal form of a set of blocks. */
export type BlockSet = readonly BlockRange[]

/** @throws NonRetryableError `RANGE_INVALID` unless both ends are whole numbers from 0 up and `from ≤ to`. */
export function blockRange(from: number, to: number): BlockRange {
  if (!isBlockNumber(from) || !isBlockNumber(to) || from > to) {
    throw new NonRetryableError(
      'RANGE_INVALID',
      `Range ${from}–${to} is invalid: both ends must be block numbers (whole, from 0 up), and the first may not be above the last.`,
    )
  }
  return { from, to }
}

/** True for whole numbers from 0 to 2^53 − 1. */
export function isBlockNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Number of blocks in a range. */
export function rangeSize({ from, to }: BlockRange): number {
  return to - from + 1
}

/** Number of blocks in a set. */
export function setSize(set: BlockSet): number {
  return set.reduce((sum, range) => sum + rangeSize(range), 0)
}

/** The normal form of any ranges: sorted, with those that overlap or touch made one. */
export function blockSet(ranges: Iterable<BlockRange>): BlockSet {
  const sorted = [...ranges].sort((a, b) => a.from - b.from)
  const set: BlockRange[] = []
  for (const range of sorted) {
    const last = set.at(-1)
    if (last !== undefined && range.from <= last.to + 1) {
      set[set.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
    } else {
      set.push({ from: range.from, to: range.to })
    }
  }
  return set
}

/** Blocks in `a`, in `b`, or in both. */
export function union(a: BlockSet, b: BlockSet): BlockSet {
  return blockSet([...a, ...b])
}

/** Blocks in `a` that are not in `b`. */
export function difference(a: BlockSet, b: BlockSet): BlockSet {
  const rest: BlockRange[] = []
  let index = 0
  for (const range of a) {
    let from = range.from
    while (index < b.length && (b[index] as BlockRange).to < from) index += 1
    for (let i = index; i < b.length && (b[i] as BlockRange).from <= range.to; i += 1) {
      const hole = b[i] as BlockRange
      if (hole.from > from) rest.push({ from, to: hole.from - 1 })
      from = Math.max(from, hole.to + 1)
    }
    if (from <= range.to) rest.push({ from, to: range.to })
  }
  return rest
}

/** Blocks in both `a` and `b`. */
export function intersection(a: BlockSet, b: BlockSet): BlockSet {
  return difference(a, difference(a, b))
}

/** True when the block is in the set. */
export function contains(set: BlockSet, block: number): boolean {
  let low = 0
  let high = set.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const range = set[middle] as BlockRange
    if (block < range.from) high = middle - 1
    else if (block > range.to) low = middle + 1
    else return true
  }
  return false
}

/** The blocks of a range that a set lacks. */
export function gaps(set: BlockSet, within: BlockRange): BlockSet {
  return difference([within], set)
}

/** A batch of a range job: its range and its name, `batch_0001_<from>_<to>`. */
export interface Batch extends BlockRange {
  readonly id: string
}

/** `batch_0001_<from>_<to>`: the name of the batch of this number, counted from 1, or of a piece of it. */
export function batchId(number: number, { from, to }: BlockRange): string {
  return `batch_${String(number).padStart(4, '0')}_${from}_${to}`
}

/**
 * A range cut into batches of `size` blocks, the last one shorter. They are disjoint, sorted, and their union is the range.
 *
 * @throws NonRetryableError `RANGE_INVALID` when the range is invalid or the size is not a whole number from 1 up.
 */
export function splitRange(from: number, to: number, size: number): Batch[] {
  blockRange(from, to)
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new NonRetryableError('RANGE_INVALID', `Batch size ${size} is invalid: it must be a whole number from 1 up.`)
  }
  const batches: Batch[] = []
  for (let start = from; start <= to; start += size) {
    const range = { from: start, to: Math.min(start + size - 1, to) }
    batches.push({ id: batchId(batches.length + 1, range), ...range })
  }
  return batches
}

/** `[10,20] ∪ [22,22]` as PostgreSQL writes an `int8multirange`: `{[10,21),[22,23)}`. */
export function toMultirange(set: BlockSet): string {
  return `{${set.map(({ from, to }) => `[${from},${to + 1})`).join(',')}}`
}

/** Reads PostgreSQL's canonical text of an `int8multirange` (lower bound included, upper excluded). */
export function fromMultirange(text: string): BlockSet {
  return [...text.matchAll(/\[(\d+),(\d+)\)/g)].map(([, from, to]) => ({ from: Number(from), to: Number(to) - 1 }))
}
