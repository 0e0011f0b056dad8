import type { ChainAccess, Logger } from '@blockmill/core'
import type { Attempt } from './attempt.ts'
import { withDeadline } from './deadline.ts'
import { type Outcome, returnedOutcome, thrownOutcome } from './outcome.ts'
import { createProgressReporter } from './progress.ts'
import { createTaskContext } from './task-context.ts'

export interface ExecutorOptions {
  readonly logger: Logger
  readonly chain: ChainAccess | undefined
  readonly stuckGraceMs: number
  readonly onProgress: (attempt: Attempt, done: number, total: number | undefined) => void
  /** Called when an attempt is given up while its handler still runs. */
  readonly onStuck: (attempt: Attempt) => void
}

/** Runs the handler of an attempt in this process and tells how it ended. Never rejects. */
export function createExecutor({ logger, chain, stuckGraceMs, onProgress, onStuck }: ExecutorOptions) {
  return async function execute(attempt: Attempt): Promise<Outcome> {
    const { timeoutMs } = attempt.unit.definition
    const handler = runHandler(attempt)
    if (timeoutMs === undefined) return handler
    return withDeadline(handler, {
      timeoutMs,
      graceMs: stuckGraceMs,
      abort: attempt.abort,
      onStuck() {
        onStuck(attempt)
        void logEnd(attempt, handler)
      },
    })
  }

  async function logEnd({ unit, item }: Attempt, handler: Promise<Outcome>): Promise<void> {
    const { type } = await handler
    logger.warn({ task: unit.message.task, taskId: item.id, outcome: type }, 'stuck handler ended')
  }

  async function runHandler(attempt: Attempt): Promise<Outcome> {
    const { unit, item } = attempt
    const log = logger.child({
      task: unit.message.task,
      taskId: item.id,
      attempt: unit.message.attempt,
      ...(item.block !== undefined && { block: item.block.number }),
    })
    const progress = createProgressReporter((done, total) => onProgress(attempt, done, total), log)
    try {
      const context = createTaskContext(attempt, { chain, log, progress: progress.report })
      // The definition's own types of arguments were checked when the message came in.
      return returnedOutcome(await unit.definition.run(context as Parameters<typeof unit.definition.run>[0]))
    } catch (thrown) {
      return thrownOutcome(thrown)
    } finally {
      progress.close()
    }
  }
}
