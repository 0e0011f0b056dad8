import {
  type ChainKind,
  isForChainKind,
  type AnyTaskDefinition,
  describeCondition,
  type Logger,
  type TaskRegistry,
} from '@blockmill/core'

/** The chain whose tasks are meant. Without a kind, tasks for all kinds are. */
export interface SyncedChain {
  readonly chain: string
  readonly chainKind: ChainKind | undefined
}

/** The tasks that are for this chain. Says how many there are, and lists them with where each was found. */
export function syncTasks(
  registry: TaskRegistry,
  { chain, chainKind }: SyncedChain,
  logger: Logger,
): readonly AnyTaskDefinition[] {
  const all = registry.list()
  const ofKind = all.filter(({ definition }) => isForChainKind(definition, chainKind))
  const tasks = ofKind.filter(({ definition }) => definition.chains?.includes(chain) ?? true)
  logger.info({ chain, chainKind, otherChains: all.length - tasks.length }, `Synced ${tasks.length} tasks`)
  const leftOut = all.filter((task) => !ofKind.includes(task)).map(({ definition }) => definition.name)
  if (leftOut.length > 0) logger.info({ chainKind, tasks: leftOut }, 'tasks for another kind of chain are left out')
  for (const { definition, file } of tasks) {
    const { name, queue, head, condition, args } = definition
    const argsCount = typeof args === 'function' ? 'function' : args.length
    logger.info({ task: name, queue, head, runs: describeCondition(condition), args: argsCount, file }, 'Task')
  }
  if (tasks.length === 0) logger.warn({ chain }, 'there is nothing to schedule: no task is for this chain')
  return tasks.map(({ definition }) => definition)
}
