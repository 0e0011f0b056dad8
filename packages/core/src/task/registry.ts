import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { AnyTaskDefinition } from './define-task.ts'

/** A task definition and the file it was found in. */
export interface RegisteredTask {
  readonly definition: AnyTaskDefinition
  readonly file: string
}

/** All tasks of a service, by name. */
export interface TaskRegistry {
  get(name: string): AnyTaskDefinition | undefined
  /** In order of name. */
  list(): readonly RegisteredTask[]
}

/**
 * @throws ConfigurationError `TASK_NAME_TAKEN` naming both files when two definitions share a name. The same definition
 * found twice, because one module re-exports another, is one task.
 */
export function createTaskRegistry(found: Iterable<RegisteredTask>): TaskRegistry {
  const tasks = new Map<string, RegisteredTask>()
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
  return { get: (name) => tasks.get(name)?.definition, list: () => sorted }
}
