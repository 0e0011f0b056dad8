import type { TaskListQuery } from './task-schemas.ts'

/** Which tasks are meant; what is left out is not limited. */
export type TaskFilter = Omit<TaskListQuery, 'order' | 'limit' | 'cursor'>

/** Which filter means which condition; `?` stands for the parameter. */
const CONDITIONS: Readonly<Record<keyof TaskFilter, string>> = {
  status: 'status = any(?::text[])',
  name: 'name = ?',
  queue: 'queue = ?',
  lane: 'lane = ?',
  chain: 'chain = ?',
  fingerprint: 'fingerprint = ?',
  blockFrom: 'block_number >= ?::bigint',
  blockTo: 'block_number <= ?::bigint',
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

/** The conditions that a filter means. */
export function taskConditions(filter: TaskFilter): TaskConditions {
  const params: unknown[] = []
  const conditions: string[] = []
  const add = (condition: string, value: unknown): void => {
    params.push(value)
    conditions.push(condition.replace('?', `$${params.length}`))
  }
  for (const [key, condition] of Object.entries(CONDITIONS)) {
    const value = filter[key as keyof TaskFilter]
    if (value !== undefined) add(condition, value)
  }
  // The planner sees that a partial index serves only when the states are in the text of the statement.
  conditions.push(...impliedStates(filter.status))
  return { add, where: () => (conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`), params }
}

const UNFINISHED = ['scheduled', 'running', 'retrying', 'postponed']
const UNSUCCESSFUL = ['cancelled', 'orphaned', 'failed', 'dead']

/** The predicates of the partial indexes, where the wanted states imply them. */
function impliedStates(states: TaskFilter['status']): string[] {
  const predicate = [UNFINISHED, UNSUCCESSFUL].find((set) => states?.every((state) => set.includes(state)))
  if (states === undefined || states.length === 0 || predicate === undefined) return []
  return [`status in ('${predicate.join(`', '`)}')`]
}
