import type { ChainAccess, TaskChainKind } from '../chain/chain-access.ts'
import { ConfigurationError } from '../errors/blockmill-error.ts'

/** The block that a condition is asked about. */
export interface ConditionBlock {
  readonly number: number
  /** Set for tasks on the `latest` head, where the number alone does not name a block. */
  readonly hash?: string
}

/** What an asynchronous condition may use. A condition that does not touch `chain` costs no request. */
export interface ConditionContext<Kind extends TaskChainKind = 'substrate'> {
  readonly chain: ChainAccess<Kind>
  /** Aborted when the condition's time is over: 10 seconds, after which it counts as thrown. */
  readonly signal: AbortSignal
}

/**
 * Decides whether a task runs for a block. May be asynchronous and read the chain. When it throws, the block stays
 * un-evaluated for this task and is tried again; other tasks go on.
 */
export type Condition<Args, Kind extends TaskChainKind = 'substrate'> = (
  block: ConditionBlock,
  args: Args,
  context: ConditionContext<Kind>,
) => boolean | Promise<boolean>

/** Any condition, where the types of what it takes do not matter. */
export type AnyCondition = Condition<never, never>

/** A condition that is true for every `period`-th block; the planner steps from match to match instead of asking. */
export interface PeriodicCondition {
  (block: ConditionBlock): boolean
  readonly period: number
  readonly offset: number
}

/**
 * True for the blocks where `(number − offset) % n === 0`.
 *
 * @param n whole number from 1 up.
 * @param options.offset whole number from 0 up; default 0.
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` when either is not.
 */
export function everyNBlocks(n: number, { offset = 0 }: { readonly offset?: number } = {}): PeriodicCondition {
  assertWhole(n, 1, 'everyNBlocks(n): n')
  assertWhole(offset, 0, 'everyNBlocks(n, { offset }): offset')
  return Object.assign((block: ConditionBlock) => (block.number - offset) % n === 0, { period: n, offset })
}

/** True for every block: what a task without a condition does. */
export const everyBlock: PeriodicCondition = everyNBlocks(1)

/** False for every block: for tasks that run only when they are enqueued. */
export function never(): boolean {
  return false
}

/** True for conditions made by `everyBlock` and `everyNBlocks`. */
export function isPeriodic(condition: unknown): condition is PeriodicCondition {
  return typeof condition === 'function' && 'period' in condition && 'offset' in condition
}

function assertWhole(value: number, minimum: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= minimum) return
  throw new ConfigurationError(
    'TASK_DEFINITION_INVALID',
    `${what} is ${value}; it must be a whole number from ${minimum} up.`,
  )
}

/** When a task with this condition runs, in words. */
export function describeCondition(condition: AnyCondition): string {
  if (condition === never) return 'never by itself'
  if (!isPeriodic(condition)) return 'when its condition holds'
  const { period, offset } = condition
  if (period === 1) return 'every block'
  return `every ${period} blocks${offset === 0 ? '' : `, offset ${offset}`}`
}
