import { formatDuration, RetryableError } from '@blockmill/core'
import { failedOutcome, type Outcome } from './outcome.ts'

export interface Deadline {
  readonly timeoutMs: number
  /** How long the handler has to heed its signal before it counts as stuck. */
  readonly graceMs: number
  readonly abort: AbortController
  /** Called when the attempt is given up while its handler still runs. */
  readonly onStuck: () => void
}

/**
 * The outcome of an attempt, by its deadline. At the timeout the signal is aborted; a handler that ends within the grace
 * has timed out, whatever it returns or throws by then. One that goes on is stuck: the attempt fails without it, because
 * nothing can stop a function that does not want to stop.
 *
 * @param handler must not reject.
 */
export async function withDeadline(
  handler: Promise<Outcome>,
  { timeoutMs, graceMs, abort, onStuck }: Deadline,
): Promise<Outcome> {
  const stuck = Promise.withResolvers<Outcome>()
  let late: Outcome | undefined

  const timeOut = (): void => {
    const text = `The attempt ran longer than its timeout of ${formatDuration(timeoutMs)}.`
    const error = new RetryableError('TASK_TIMED_OUT', text)
    late = failedOutcome(error)
    timer = setTimeout(giveUp, graceMs)
    abort.abort(error)
  }
  const giveUp = (): void => {
    const text = `The handler did not end within ${formatDuration(graceMs)} of being aborted at its timeout of ${formatDuration(timeoutMs)}. It may still be running. Pass \`signal\` on to what it waits for.`
    late = failedOutcome(new RetryableError('TASK_STUCK', text))
    onStuck()
    stuck.resolve(late)
  }
  let timer = setTimeout(timeOut, timeoutMs)

  const outcome = await Promise.race([handler, stuck.promise])
  clearTimeout(timer)
  return late ?? outcome
}
