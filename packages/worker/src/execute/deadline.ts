import { formatDuration, RetryableError } from '@blockmill/core'
import { failedOutcome, type Outcome } from './outcome.ts'

export interface Deadline {
  readonly timeoutMs: number
  readonly abort: AbortController
  /** What is done about a handler that ignores its signal. Absent where it will be ended by force. */
  readonly giveUp?: {
    /** How long the handler has to heed its signal before it counts as stuck. */
    readonly afterMs: number
    /** Called when the attempt is given up while its handler still runs. */
    readonly onStuck: () => void
  }
}

/**
 * The outcome of an attempt, by its deadline. At the timeout the signal is aborted; a handler that ends after that has timed
 * out, whatever it returns or throws. One that runs in the worker itself and goes on past the grace is stuck: the attempt
 * fails without it, because nothing can stop a function that does not want to stop.
 *
 * @param handler must not reject.
 */
export async function withDeadline<Ended extends Outcome | undefined>(
  handler: Promise<Ended>,
  { timeoutMs, abort, giveUp }: Deadline,
): Promise<Ended | Outcome> {
  const stuck = Promise.withResolvers<Outcome>()
  let late: Outcome | undefined

  const timeOut = (): void => {
    const text = `The attempt ran longer than its timeout of ${formatDuration(timeoutMs)}.`
    const error = new RetryableError('TASK_TIMED_OUT', text)
    late = failedOutcome(error)
    if (giveUp !== undefined) timer = setTimeout(() => markStuck(giveUp), giveUp.afterMs)
    abort.abort(error)
  }
  const markStuck = ({ afterMs, onStuck }: NonNullable<Deadline['giveUp']>): void => {
    const text = `The handler did not end within ${formatDuration(afterMs)} of being aborted at its timeout of ${formatDuration(timeoutMs)}. It may still be running. Pass \`signal\` on to what it waits for.`
    late = failedOutcome(new RetryableError('TASK_STUCK', text))
    onStuck()
    stuck.resolve(late)
  }
  let timer = setTimeout(timeOut, timeoutMs)

  const outcome = await Promise.race([handler, stuck.promise])
  clearTimeout(timer)
  return late ?? outcome
}
