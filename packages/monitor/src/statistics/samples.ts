import { type Query, setSize, TASK_STATES, type TaskState } from '@blockmill/core'

import { readCoveredBlocks } from '../http/covered-blocks.ts'
import { isLost } from '../http/lost-worker.ts'

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
  /** Since when it may run: the end of a deliberate delay, or when it was scheduled. */
  readonly dueAt: Date
}

/** How many workers there are. */
export interface WorkerCount {
  readonly running: number
  /** Gone without a good-bye within the last hour. */
  readonly lost: number
}

/** Blocks of a task that were not evaluated, over all sets of arguments. */
export interface GapCount {
  readonly chain: string
  readonly task: string
  readonly blocks: number
}

/** Nobody waits for a worker any more that was lost longer ago: another runs in its place. */
const LOST_WORKERS_COUNT_MS = 60 * 60 * 1_000

/** Most tasks that are looked at for one that does not wait on purpose. */
const OLDEST_CANDIDATES = 1_000

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

/** Widths of the steps that ends of tasks are counted in: a minute, ten, an hour and a day, in seconds. */
export const RATE_STEPS = [60, 600, 3_600, 86_400] as const

/**
 * Adds up rows of differences, to totals and to how many ended when. Rows that another monitor is adding up at this moment are
 * left to it.
 */
export async function sumDifferences(query: Query): Promise<void> {
  await query(
    `with taken as (
       delete from blockmill.task_count
       where ctid = any (array(select ctid from blockmill.task_count for update skip locked))
       returning chain, name, status, count, queue, ended_minute
     ), rated as (
       insert into blockmill.task_rate as present (step_seconds, at, chain, name, queue, status, count)
       select step, date_bin(make_interval(secs => step), ended_minute, timestamptz 'epoch') as at,
         chain, name, queue, status, sum(count)
       from taken cross join unnest(array[${RATE_STEPS.join(', ')}]) as step
       where ended_minute is not null
       group by step, at, chain, name, queue, status having sum(count) <> 0
       order by step, at, chain, name, queue, status
       on conflict (step_seconds, at, chain, name, queue, status) do update set count = present.count + excluded.count
     )
     insert into blockmill.task_count (chain, name, status, count)
     select chain, name, status, sum(count) from taken group by chain, name, status having sum(count) <> 0`,
  )
}

export async function sampleOldestWaiting(query: Query, now: Date): Promise<OldestWaiting | null> {
  // The first step is answered from the index alone, however many wait; only the table knows what waits on purpose.
  const [oldest] = await query<OldestWaiting>(
    `with candidate as materialized (
       select id from blockmill.task
       where status in ('scheduled', 'running', 'retrying', 'postponed') and status = 'scheduled' and scheduled_at is not null
       order by scheduled_at limit ${OLDEST_CANDIDATES}
     )
     select id, name, scheduled_at as "scheduledAt", greatest(scheduled_at, not_before) as "dueAt"
     from blockmill.task join candidate using (id)
     where not_before is null or not_before <= $1
     order by "dueAt" limit 1`,
    [now],
  )
  return oldest ?? null
}

export async function sampleWorkers(query: Query, now: Date): Promise<WorkerCount> {
  const workers = await query<{ startedAt: Date; lastSeenAt: Date }>(
    `select started_at as "startedAt", last_seen_at as "lastSeenAt" from blockmill.worker
     where state = 'running' and last_seen_at > $1`,
    [new Date(now.getTime() - LOST_WORKERS_COUNT_MS)],
  )
  const lost = workers.filter((worker) => isLost({ ...worker, state: 'running' }, now)).length
  return { running: workers.length - lost, lost }
}

export async function sampleDeadLetters(query: Query): Promise<number> {
  const [row] = await query<{ count: number }>('select count(*) from blockmill.dead_letter')
  return row?.count ?? 0
}

/** One for each chain and task, those without gaps included. */
export async function sampleGaps(query: Query): Promise<GapCount[]> {
  const gaps = new Map<string, GapCount>()
  for (const { chain, task, missing } of await readCoveredBlocks(query, {})) {
    const key = `${chain}/${task}`
    gaps.set(key, { chain, task, blocks: (gaps.get(key)?.blocks ?? 0) + setSize(missing) })
  }
  return [...gaps.values()]
}

/** Zero for every state. */
export function noCounts(): Record<TaskState, number> {
  return Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>
}
