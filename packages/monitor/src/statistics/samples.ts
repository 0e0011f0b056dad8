import { type Query, TASK_STATES, type TaskState } from '@blockmill/core'

/** How many tasks of one definition are in which state. */
export interface TaskCount {
  readonly chain: string
  readonly name: string
  readonly counts: Readonly<Record<TaskState, number>>
}

/** The task that has waited longest for its first attempt. */
export interface OldestWaiting {
  readonly id: string
  readonly name: string
  readonly scheduledAt: Date
}

/** The totals, and of how many rows of differences they are made. */
export async function sampleCounts(query: Query): Promise<{ readonly tasks: TaskCount[]; readonly rows: number }> {
  const groups = await query<{ chain: string; name: string; status: TaskState; count: number; rows: number }>(
    `select chain, name, status, sum(count)::bigint as count, count(*) as rows from blockmill.task_count
     group by chain, name, status order by chain, name`,
  )
  const tasks = new Map<string, { chain: string; name: string; counts: Record<TaskState, number> }>()
  for (const { chain, name, status, count } of groups) {
    const key = JSON.stringify([chain, name])
    const task = tasks.get(key) ?? { chain, name, counts: noCounts() }
    task.counts[status] = count
    tasks.set(key, task)
  }
  return { tasks: [...tasks.values()], rows: groups.reduce((sum, { rows }) => sum + rows, 0) }
}

/** Adds up rows of differences. Rows that another monitor is adding up at this moment are left to it. */
export async function sumDifferences(query: Query): Promise<void> {
  await query(
    `with taken as (
       delete from blockmill.task_count
       where ctid = any (array(select ctid from blockmill.task_count for update skip locked))
       returning chain, name, status, count
     )
     insert into blockmill.task_count
     select chain, name, status, sum(count) from taken group by chain, name, status having sum(count) <> 0`,
  )
}

export async function sampleOldestWaiting(query: Query): Promise<OldestWaiting | null> {
  const [row] = await query<{ id: string; name: string; scheduled_at: Date }>(
    `select id, name, scheduled_at from blockmill.task
     where status in ('scheduled', 'running', 'retrying', 'postponed') and status = 'scheduled' and scheduled_at is not null
     order by scheduled_at limit 1`,
  )
  return row === undefined ? null : { id: row.id, name: row.name, scheduledAt: row.scheduled_at }
}

/** Zero for every state. */
export function noCounts(): Record<TaskState, number> {
  return Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>
}
