import type { TaskListQuery } from './task-schemas.ts'

/** Which tasks are meant; what is left out is not limited. */
export type TaskFilter = Omit<TaskListQuery, 'order' | 'limit' | 'cursor'>

/** The lowest or highest id of a task for a block: ids of such tasks begin with the block in 48 bits, see `taskId`. */
function idOfBlock(filledWith: '0' | 'f'): string {
  return `(lpad(to_hex(least(?::bigint, ${2 ** 48 - 1})), 12, '0') || repeat('${filledWith}', 20))::uuid`
}

/** Which filter means which condition; `?` stands for the parameter. */
const CONDITIONS: Readonly<Record<keyof TaskFilter, string>> = {
  status: 'status = any(?::text[])',
  name: 'name = ?',
  queue: 'queue = ?',
  lane: 'lane = ?',
  chain: 'chain = ?',
  fingerprint: 'fingerprint = ?',
  blockFrom: `block_number >= ?::bigint and id >= ${idOfBlock('0')}`,
  blockTo: `block_number <= ?::bigint and id <= ${idOfBlock('f')}`,
  scheduledFrom: 'scheduled_at >= ?::timestamptz',
  scheduledTo: 'scheduled_at <= ?::timestamptz',
  finishedFrom: 'finished_at >= ?::timestamptz',
  finishedTo: 'finished_at <= ?::timestamptz',
}

/** Conditions of a statement on the table `task`, with their parameters. */
export interface TaskConditions {
  /** Adds one; `?` stands for its parameter. */
  add(condition: string, value: unknown): void
  /** `where ...`, or nothing. */
  where(): string
  readonly params: readonly unknown[]
}

/**
 * The conditions that a filter means.
 *
 * @param params those of the statement so far, which the conditions' own are added to.
 */
export function taskConditions(filter: TaskFilter, params: unknown[] = []): TaskConditions {
  const conditions: string[] = []
  const add = (condition: string, value: unknown): void => {
    params.push(value)
    conditions.push(condition.replaceAll('?', `$${params.length}`))
  }
  for (const [key, condition] of Object.entries(CONDITIONS)) {
    const value = filter[key as keyof TaskFilter]
    if (value !== undefined) add(condition, value)
  }
  // The planner sees that a partial index serves only when the states are in the text of the statement.
  conditions.push(...impliedStates(filter.status))
  return { add, where: () => (conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`), params }
}

/** The states of the partial index of what waits and runs. */
export const UNFINISHED = ['scheduled', 'running', 'retrying', 'postponed'] as const
const UNSUCCESSFUL = ['cancelled', 'orphaned', 'failed', 'dead'] as const

/** The states of the partial index that has all tasks in the wanted ones; `undefined` when there is none. */
export function partialIndexStates(states: TaskFilter['status']): readonly string[] | undefined {
  if (states === undefined || states.length === 0) return undefined
  const sets: readonly (readonly string[])[] = [UNFINISHED, UNSUCCESSFUL]
  return sets.find((set) => states.every((state) => set.includes(state)))
}

/** The predicate of that index. */
function impliedStates(states: TaskFilter['status']): string[] {
  const predicate = partialIndexStates(states)
  return predicate === undefined ? [] : [`status in ('${predicate.join(`', '`)}')`]
}
