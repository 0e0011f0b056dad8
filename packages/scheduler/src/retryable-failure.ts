import { RetryableError } from '@blockmill/core'

/** True for what heals by itself: the database, broker or chain was away. Not for a lease that somebody else holds now. */
export function isRetryableFailure(error: unknown): boolean {
  return error instanceof RetryableError && error.code !== 'SCHEDULER_LEASE_LOST'
}
