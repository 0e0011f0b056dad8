import { type ConditionContext, NonRetryableError } from '@blockmill/core'

/** What conditions are given. Without access to a chain, a condition that reads it throws; the others notice nothing. */
export function conditionContext(chain: ConditionContext['chain'] | undefined, signal: AbortSignal): ConditionContext {
  return {
    signal,
    get chain() {
      if (chain !== undefined) return chain
      throw new NonRetryableError('CHAIN_UNREACHABLE', 'This scheduler was created without access for conditions.')
    },
  }
}
