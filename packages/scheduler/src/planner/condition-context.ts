import { type AnyChainAccess, type ConditionContext, NonRetryableError } from '@blockmill/core'

/** What conditions are given. Without access to a chain, a condition that reads it throws; the others notice nothing. */
export function conditionContext(chain: AnyChainAccess | undefined, signal: AbortSignal): ConditionContext<'any'> {
  return {
    signal,
    get chain() {
      if (chain !== undefined) return chain
      throw new NonRetryableError('CHAIN_UNREACHABLE', 'This scheduler was created without access for conditions.')
    },
  }
}
