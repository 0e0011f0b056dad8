import {
  type AnyTaskDefinition,
  type Condition,
  isPeriodic,
  type Logger,
  never,
  type TaskRegistry,
} from '@blockmill/core'

/** The tasks that are for this chain. Says how many there are, and lists them with where each was found. */
export function syncTasks(registry: TaskRegistry, chain: string, logger: Logger): readonly AnyTaskDefinition[] {
  const tasks = registry.list().filter(({ definition }) => definition.chains?.includes(chain) ?? true)
  logger.info({ chain, otherChains: registry.list().length - tasks.length }, `Synced ${tasks.length} tasks`)
  for (const { definition, file } of tasks) {
    const { name, queue, head, condition, args } = definition
    const argsCount = typeof args === 'function' ? 'function' : args.length
    logger.info({ task: name, queue, head, runs: describeCondition(condition), args: argsCount, file }, 'Task')
  }
  if (tasks.length === 0) logger.warn({ chain }, 'there is nothing to schedule: no task is for this chain')
  return tasks.map(({ definition }) => definition)
}

/** When a task runs, in words. */
export function describeCondition(condition: Condition<never>): string {
  if (condition === never) return 'never by itself'
  if (!isPeriodic(condition)) return 'when its condition holds'
  const { period, offset } = condition
  if (period === 1) return 'every block'
  return `every ${period} blocks${offset === 0 ? '' : `, offset ${offset}`}`
}
