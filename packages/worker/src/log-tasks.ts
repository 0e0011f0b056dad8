import {
  type ChainKind,
  formatDuration,
  isForChainKind,
  type Logger,
  neverGrows,
  type TaskRegistry,
} from '@blockmill/core'
import { LONGEST_WAIT_FOR_SLOT_MS } from './consume/work-unit.ts'

/** How long RabbitMQ lets a delivery go without an ack, unless it is configured otherwise. */
const CONSUMER_TIMEOUT_MS = 30 * 60_000

/** What is left of it for a handler when a message has waited for a slot as long as the worker lets it. */
const LONGEST_TIMEOUT_MS = CONSUMER_TIMEOUT_MS - LONGEST_WAIT_FOR_SLOT_MS

/** Says which tasks a worker of a chain of this kind can execute, and warns of what is allowed but hardly meant. */
export function logTasks(registry: TaskRegistry, chainKind: ChainKind, logger: Logger): void {
  const all = [...registry.list(), ...registry.listRangeTasks()]
  const tasks = all.filter(({ definition }) => isForChainKind(definition, chainKind))
  logger.info(`Synced ${tasks.length} tasks`)
  const leftOut = all.filter((task) => !tasks.includes(task)).map(({ definition }) => definition.name)
  if (leftOut.length > 0) logger.info({ chainKind, tasks: leftOut }, 'tasks for another kind of chain are left out')
  for (const { definition, file } of tasks) {
    logger.info({ task: definition.name, queue: definition.queue, file }, 'Task')
    if (neverGrows(definition.retry)) {
      logger.warn({ task: definition.name }, 'its back-off never grows: every power of one is one; use a base above 1m')
    }
    if ((definition.timeoutMs ?? 0) > LONGEST_TIMEOUT_MS) {
      const timeout = formatDuration(definition.timeoutMs ?? 0)
      logger.warn(
        { task: definition.name, timeout },
        'its timeout is above 25m; with the time it waits for a slot, that may reach the 30m after which RabbitMQ delivers again',
      )
    }
  }
  const endless = tasks.filter(({ definition }) => definition.timeoutMs === undefined)
  if (endless.length > 0) {
    logger.warn(
      { tasks: endless.map(({ definition }) => definition.name) },
      'tasks without a timeout: a handler that hangs keeps its slot, and after 30m RabbitMQ delivers its task again',
    )
  }
  if (tasks.length === 0) logger.warn('There is nothing to execute: every message will go to the dead queue')
}
