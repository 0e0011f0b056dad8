import type { BlockRange, TaskState } from '@blockmill/core'

import type { System } from './system.ts'

/** What reads the record. */
type Monitor = Pick<System, 'get'>

/** A task as the monitor lists it, as far as the tests look. */
export interface RecordedTask {
  readonly id: string
  readonly name: string
  readonly block: number
  readonly args: unknown
  readonly status: TaskState
  readonly worker: string | null
  readonly scheduledAt: string | null
  readonly finishedAt: string | null
}

/** What the monitor tells of one task's coverage, as far as the tests look. */
export interface RecordedCoverage {
  readonly task: string
  readonly args: unknown
  readonly evaluated: { readonly ranges: readonly BlockRange[] }
  readonly gaps: { readonly ranges: readonly BlockRange[] }
}

/** Reads all tasks on record, page by page. */
export async function readTasks(system: Monitor): Promise<readonly RecordedTask[]> {
  const tasks: RecordedTask[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '50', ...(cursor !== undefined && { cursor }) })
    const page = await system.get<{ tasks: RecordedTask[]; nextCursor?: string }>(`/api/v1/tasks?${query}`)
    tasks.push(...page.tasks)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return tasks
}

/** Reads the coverage of all tasks. */
export async function readCoverage(system: Monitor): Promise<readonly RecordedCoverage[]> {
  return (await system.get<{ coverage: RecordedCoverage[] }>('/api/v1/coverage')).coverage
}
