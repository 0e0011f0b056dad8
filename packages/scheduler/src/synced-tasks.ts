import {
  type ChainKind,
  isForChainKind,
  isRangeTaskDefinition,
  isTaskDefinition,
  type AnyRangeTaskDefinition,
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

/** The tasks that are for this chain. */
export interface SyncedTasks {
  readonly tasks: readonly AnyTaskDefinition[]
  /** Those that range jobs run. */
  readonly rangeTasks: readonly AnyRangeTaskDefinition[]
}

/** The tasks that are for this chain. Says how many there are, and lists them with where each was found. */
export function syncTasks(registry: TaskRegistry, { chain, chainKind }: SyncedChain, logger: Logger): SyncedTasks {
  const all = [...registry.list(), ...registry.listRangeTasks()]
  const ofKind = all.filter(({ definition }) => isForChainKind(definition, chainKind))
  const tasks = ofKind.filter(({ definition }) => definition.chains?.includes(chain) ?? true)
  logger.info({ chain, chainKind, otherChains: all.length - tasks.length }, `Synced ${tasks.length} tasks`)
  const leftOut = all.filter((task) => !ofKind.includes(task)).map(({ definition }) => definition.name)
  if (leftOut.length > 0) logger.info({ chainKind, tasks: leftOut }, 'tasks for another kind of chain are left out')
  for (const { definition, file } of tasks) logger.info({ ...factsOf(definition), file }, 'Task')
  if (tasks.length === 0) logger.warn({ chain }, 'there is nothing to schedule: no task is for this chain')
  const definitions = tasks.map(({ definition }) => definition)
  return { tasks: definitions.filter(isTaskDefinition), rangeTasks: definitions.filter(isRangeTaskDefinition) }
}

function factsOf(definition: AnyTaskDefinition | AnyRangeTaskDefinition): Record<string, unknown> {
  const { name: task, queue } = definition
  if (definition.kind === 'range-task') return { task, queue, runs: 'in range jobs', batchSize: definition.batchSize }
  const { head, condition, args } = definition
  const argsCount = typeof args === 'function' ? 'function' : args.length
  return { task, queue, head, runs: describeCondition(condition), args: argsCount }
}
