import { type BlockSet, blockSet } from '@blockmill/core'

import { backoffMs } from '../backoff.ts'

/** Tries of one block's condition, about half a minute apart from first to last. */
const MAX_TRIES = 6
/** More blocks than this are not tried at once: where so many fail, it is not the blocks. */
const MAX_FAILING = 100

/** Blocks of a part whose condition failed. The others go on; these are tried again after growing pauses. */
export interface FailingBlocks {
  /** The condition of a block failed once more. */
  failed(block: number, error: unknown, nowMs: number): void
  /** It did not fail this time. */
  cleared(from: number, to: number): void
  /** Blocks that are not to be tried now: they wait for their next try, or had their last. */
  resting(nowMs: number): BlockSet
  /** All of them. */
  readonly all: BlockSet
  /** Blocks that had their last try. */
  readonly givenUp: BlockSet
  /** True when too many blocks fail to go on with others. */
  readonly isStuck: boolean
  /** True when so many blocks had their last try that the rest is not worth trying. */
  readonly isHopeless: boolean
  /** Until the next try of a block; `undefined` when none waits. */
  untilNextMs(nowMs: number): number | undefined
  /** The first of them that fails, and why; `undefined` when none does. */
  readonly first: { readonly block: number; readonly error: unknown } | undefined
}

interface Failing {
  readonly tries: number
  readonly untilMs: number
  readonly error: unknown
}

export function createFailingBlocks(): FailingBlocks {
  const failing = new Map<number, Failing>()
  const isGivenUp = ({ tries }: Failing): boolean => tries >= MAX_TRIES
  const blocksWhere = (holds: (one: Failing) => boolean): BlockSet =>
    blockSet(Array.from(failing).flatMap(([block, one]) => (holds(one) ? [{ from: block, to: block }] : [])))

  return {
    failed(block, error, nowMs) {
      const tries = (failing.get(block)?.tries ?? 0) + 1
      failing.set(block, { tries, untilMs: nowMs + backoffMs(tries), error })
    },
    cleared(from, to) {
      for (const block of failing.keys()) if (block >= from && block <= to) failing.delete(block)
    },
    resting: (nowMs) => blocksWhere((one) => isGivenUp(one) || one.untilMs > nowMs),
    get all() {
      return blocksWhere(() => true)
    },
    get givenUp() {
      return blocksWhere(isGivenUp)
    },
    get isStuck() {
      return failing.size >= MAX_FAILING
    },
    get isHopeless() {
      return failing.size >= MAX_FAILING && [...failing.values()].every(isGivenUp)
    },
    untilNextMs(nowMs) {
      const waits = [...failing.values()].filter((one) => !isGivenUp(one)).map(({ untilMs }) => untilMs - nowMs)
      return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits))
    },
    get first() {
      const [block] = [...failing.keys()].sort((a, b) => a - b)
      const one = block === undefined ? undefined : failing.get(block)
      return block === undefined || one === undefined ? undefined : { block, error: one.error }
    },
  }
}
