import type { Delivery, Logger, TaskEvent } from '@blockmill/core'
import type { Refusal } from '../consume/intake.ts'
import { deliveryCount, type WorkUnit } from '../consume/work-unit.ts'

/** What a worker says in its log about the messages and tasks that pass through it. */
export interface FlowLog {
  /** A message, or a part of it, is put on the dead queue. */
  readonly buried: (delivery: Delivery, why: { readonly reason: string } & Pick<Refusal, 'error'>) => void
  /** A message that may have ended its workers is the next and only one to run. */
  readonly runsAlone: (unit: WorkUnit) => void
  /** An attempt ended. */
  readonly ended: (event: TaskEvent) => void
}

export function createFlowLog(logger: Logger): FlowLog {
  return {
    buried({ queue }, { reason, error }) {
      logger.warn({ queue, reason, error }, 'message is put on the dead queue')
    },
    runsAlone(unit) {
      const { task, items } = unit.message
      logger.warn(
        { task, taskId: items[0]?.id, deliveries: deliveryCount(unit) },
        'message was delivered often without an outcome, as if it ended its workers: it runs alone',
      )
    },
    ended(event) {
      const { type, task, taskId } = event
      if (type === 'failed') logger.error({ task, taskId, reason: event.reason, error: event.error }, 'task failed')
      else if (type === 'retrying') {
        const { error, nextAttemptAt } = event
        logger.warn(
          { task, taskId, attempt: event.attempt, error, nextAttemptAt },
          'attempt failed; it will be retried',
        )
      } else if (type === 'split') {
        const { reason, safeSize } = event
        logger.info({ task, taskId, reason, safeSize }, 'range is too large; its job splits it')
      } else logger.debug({ task, taskId }, type)
    },
  }
}
