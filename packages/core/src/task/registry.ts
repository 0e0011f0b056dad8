import { ConfigurationError } from '../errors/blockmill-error.ts'
import { type AnyRangeTaskDefinition, isRangeTaskDefinition } from './define-range-task.ts'
import { type AnyTaskDefinition, isTaskDefinition } from './define-task.ts'

/** A definition and the file it was found in. */
interface Registered<Definition> {
  readonly definition: Definition
  readonly file: string
}

/** A task definition and the file it was found in. */
export type RegisteredTask = Registered<AnyTaskDefinition>
/** A range task definition and the file it was found in. */
export type RegisteredRangeTask = Registered<AnyRangeTaskDefinition>

/** All tasks of a service, by name: those that run for blocks, and those that range jobs run. No two share a name. */
export interface TaskRegistry {
  get(name: string): AnyTaskDefinition | undefined
  /** In order of name, without range tasks. */
  list(): readonly RegisteredTask[]
  getRangeTask(name: string): AnyRangeTaskDefinition | undefined
  /** In order of name. */
  listRangeTasks(): readonly RegisteredRangeTask[]
}

/**
 * @throws ConfigurationError `TASK_NAME_TAKEN` naming both files when two definitions share a name. The same definition
 * found twice, because one module re-exports another, is one task.
 */
export function createTaskRegistry(
  found: Iterable<Registered<AnyTaskDefinition | AnyRangeTaskDefinition>>,
): TaskRegistry {
  const tasks = new Map<string, Registered<AnyTaskDefinition | AnyRangeTaskDefinition>>()
  for (const one of found) {
    const other = tasks.get(one.definition.name)
    if (other === undefined) tasks.set(one.definition.name, one)
    else if (other.definition !== one.definition) {
      throw new ConfigurationError(
        'TASK_NAME_TAKEN',
        `Two tasks are named '${one.definition.name}': one in ${other.file}, one in ${one.file}. Rename one of them.`,
      )
    }
  }
  const sorted = [...tasks.values()].sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
  const blockTasks = sorted.filter((one): one is RegisteredTask => isTaskDefinition(one.definition))
  const rangeTasks = sorted.filter((one): one is RegisteredRangeTask => isRangeTaskDefinition(one.definition))
  const byName = definitionsByName(blockTasks)
  const rangeTasksByName = definitionsByName(rangeTasks)
  return {
    get: (name) => byName.get(name),
    list: () => blockTasks,
    getRangeTask: (name) => rangeTasksByName.get(name),
    listRangeTasks: () => rangeTasks,
  }
}

function definitionsByName<Definition extends { readonly name: string }>(
  tasks: readonly Registered<Definition>[],
): ReadonlyMap<string, Definition> {
  return new Map(tasks.map(({ definition }) => [definition.name, definition]))
}
