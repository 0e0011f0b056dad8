import { Cancel } from '@blockmill/core'
import type { Attempt } from '../execute/attempt.ts'
import type { Outcome } from '../execute/outcome.ts'

export interface CancellableOptions {
  /** How long a cancelled handler may go on before it is given up. */
  readonly graceMs: number
  /** Called when an attempt is given up while its handler still runs. */
  readonly onStuck: (attempt: Attempt) => void
}

/**
 * Makes a cancel count. An attempt whose signal was aborted by a cancel ends as cancelled, whatever its handler makes of the
 * abort: an error that it throws then must not be retried. Only one that succeeds all the same has succeeded, because its
 * work is done. A handler in the worker itself that goes on past the grace is given up; others are ended by force.
 */
export function cancellable(
  execute: (attempt: Attempt) => Promise<Outcome>,
  { graceMs, onStuck }: CancellableOptions,
): (attempt: Attempt) => Promise<Outcome> {
  return async function executeCancellable(attempt) {
    const { signal } = attempt.abort
    const givenUp = Promise.withResolvers<Outcome>()
    let timer: NodeJS.Timeout | undefined
    const onAbort = (): void => {
      const { reason } = signal
      if (!(reason instanceof Cancel) || attempt.unit.definition.isolation !== 'none') return
      timer = setTimeout(() => {
        onStuck(attempt)
        givenUp.resolve({ type: 'cancelled', reason: reason.message })
      }, graceMs)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const outcome = await Promise.race([execute(attempt), givenUp.promise])
    signal.removeEventListener('abort', onAbort)
    clearTimeout(timer)
    const reason: unknown = signal.reason
    return reason instanceof Cancel && outcome.type !== 'succeeded'
      ? { type: 'cancelled', reason: reason.message }
      : outcome
  }
}
