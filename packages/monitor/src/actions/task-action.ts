import { type Broker, type Database, FINAL_STATES, TASK_STATES, type TaskState } from '@blockmill/core'

import type { TaskFilter } from '../http/task-filter.ts'
import { cancelTasks } from './cancel-tasks.ts'
import { deleteTasks } from './delete-tasks.ts'
import { retryTasks } from './retry-tasks.ts'

/** What can be done with tasks on record. */
export const TASK_ACTIONS = ['cancel', 'retry', 'delete'] as const
export type TaskAction = (typeof TASK_ACTIONS)[number]

export interface TaskActionPorts {
  readonly database: Database
  /** Needed to cancel and to retry. */
  readonly broker?: Pick<Broker, 'topology' | 'publisher' | 'declare' | 'listen'> | undefined
  readonly now: () => Date
  /** Who gives the order. */
  readonly by: string
}

/** What became of one task. `conflict`: its state does not allow it; `why` follows on the words `Task ID`. */
export type TaskOutcome =
  | { readonly id: string; readonly type: 'done' }
  | { readonly id: string; readonly type: 'unknown' }
  | { readonly id: string; readonly type: 'conflict'; readonly why: string }

export interface TaskActionOptions {
  /** Retries also what has succeeded. Default false. */
  readonly force?: boolean | undefined
}

const UNFINISHED: readonly TaskState[] = TASK_STATES.filter((state) => !FINAL_STATES.some((one) => one === state))

/** The states that an action is for. */
export function actionStates(action: TaskAction, { force = false }: TaskActionOptions = {}): readonly TaskState[] {
  if (action === 'cancel') return UNFINISHED
  return action === 'delete' || force ? FINAL_STATES : FINAL_STATES.filter((state) => state !== 'succeeded')
}

/** A filter, limited to the states that an action is for. */
export function actionFilter(filter: TaskFilter, action: TaskAction, options?: TaskActionOptions): TaskFilter {
  const states = actionStates(action, options)
  return { ...filter, status: states.filter((state) => filter.status?.includes(state) ?? true) }
}

/**
 * Does something with tasks, at most 1,000 at once. What is refused for one does not keep the others.
 *
 * @returns what became of each, in the order of the ids.
 * @throws the error of the database; RetryableError `BROKER_PUBLISH_FAILED`, after which some may be done.
 */
export function actOnTasks(
  ports: TaskActionPorts,
  action: TaskAction,
  ids: readonly string[],
  options: TaskActionOptions = {},
): Promise<TaskOutcome[]> {
  switch (action) {
    case 'cancel':
      return cancelTasks(ports, ids)
    case 'retry':
      return retryTasks(ports, ids, options)
    case 'delete':
      return deleteTasks(ports.database, ids)
  }
}
