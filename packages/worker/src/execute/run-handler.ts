import type { AnyChainAccess, Logger } from '@blockmill/core'
import { type RangePorts, runRange } from '../rows/run-range.ts'
import type { HandlerAttempt } from './attempt.ts'
import { type EnqueueFor, enqueueFrom } from './enqueue-from.ts'
import { type Outcome, returnedOutcome, thrownOutcome } from './outcome.ts'
import { createProgressReporter } from './progress.ts'
import { createTaskContext } from './task-context.ts'

/** What a handler reaches beside its own attempt. */
export interface HandlerPorts {
  readonly logger: Logger
  readonly chain: AnyChainAccess | undefined
  readonly enqueueFor: EnqueueFor
  readonly onProgress: (done: number, total: number | undefined) => void
  /** What the handlers of batches reach on top. */
  readonly range: RangePorts
}

/**
 * Runs the handler of an attempt right here and tells how it ended. Never rejects. The worker and its threads and processes
 * all run handlers through this function, so that a handler cannot tell the difference.
 */
export async function runHandler(
  attempt: HandlerAttempt,
  { logger, chain, enqueueFor, onProgress, range }: HandlerPorts,
): Promise<Outcome> {
  const { unit, item } = attempt
  const log = logger.child({
    task: unit.message.task,
    taskId: item.id,
    attempt: unit.message.attempt,
    ...(item.block !== undefined && { block: item.block.number }),
  })
  const progress = createProgressReporter(onProgress, log)
  try {
    const context = createTaskContext(attempt, {
      chain,
      log,
      progress: progress.report,
      enqueue: enqueueFrom(attempt, enqueueFor),
    })
    // The definition's own types of arguments were checked when the message came in.
    const run = unit.definition.run as (given: unknown) => unknown
    if (unit.definition.kind === 'task') return returnedOutcome(await run(context))
    return returnedOutcome(await runRange(attempt, range, (additions) => run(Object.assign(context, additions))))
  } catch (thrown) {
    return thrownOutcome(thrown)
  } finally {
    progress.close()
  }
}
