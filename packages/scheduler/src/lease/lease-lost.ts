import { BlockmillError } from '@blockmill/core'

/** True for a write that was refused because another scheduler leads now. It does not heal: the former leader must stop. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof BlockmillError && error.code === 'SCHEDULER_LEASE_LOST'
}
