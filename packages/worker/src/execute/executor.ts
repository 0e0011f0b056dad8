import type { AnyChainAccess, Logger } from '@blockmill/core'
import type { RangePorts } from '../rows/run-range.ts'
import type { Attempt } from './attempt.ts'
import { withDeadline } from './deadline.ts'
import type { EnqueueFor } from './enqueue-from.ts'
import type { Outcome } from './outcome.ts'
import { runHandler } from './run-handler.ts'

export interface ExecutorOptions {
  readonly logger: Logger
  readonly chain: AnyChainAccess | undefined
  readonly enqueueFor: EnqueueFor
  readonly stuckGraceMs: number
  readonly onProgress: (attempt: Attempt, done: number, total: number | undefined) => void
  /** Called when an attempt is given up while its handler still runs. */
  readonly onStuck: (attempt: Attempt) => void
  readonly range: RangePorts
  /** Runs the attempts of isolated tasks elsewhere. Without, all run here. */
  readonly isolated?: ((attempt: Attempt) => Promise<Outcome>) | undefined
}

/** Runs the handler of an attempt, in this thread unless its task is isolated, and tells how it ended. Never rejects. */
export function createExecutor({
  logger,
  chain,
  enqueueFor,
  stuckGraceMs,
  onProgress,
  onStuck,
  range,
  isolated,
}: ExecutorOptions) {
  return async function execute(attempt: Attempt): Promise<Outcome> {
    const { isolation, timeoutMs } = attempt.unit.definition
    if (isolation !== 'none' && isolated !== undefined) return isolated(attempt)
    const handler = runHandler(attempt, {
      logger,
      chain,
      enqueueFor,
      onProgress: (done, total) => onProgress(attempt, done, total),
      range,
    })
    if (timeoutMs === undefined) return handler
    return withDeadline(handler, {
      timeoutMs,
      abort: attempt.abort,
      giveUp: {
        afterMs: stuckGraceMs,
        onStuck() {
          onStuck(attempt)
          void logEnd(attempt, handler)
        },
      },
    })
  }

  async function logEnd({ unit, item }: Attempt, handler: Promise<Outcome>): Promise<void> {
    const { type } = await handler
    logger.warn({ task: unit.message.task, taskId: item.id, outcome: type }, 'stuck handler ended')
  }
}
