import { type Lane, RECORDED_TASK_COLUMNS, type RecordedTask } from '@blockmill/core'

import type { Sql } from '../sql.ts'

/** A lane of a queue. */
export interface QueueLane {
  readonly queue: string
  readonly lane: Lane
}

/** A worker as the record knows it. */
export interface RecordedWorker {
  readonly name: string
  readonly queues: readonly string[]
  readonly lastSeenAt: Date
}

/** From when on what counts as overdue, and which workers are alive whatever the record says. */
export interface OverdueQuestion {
  /** Tasks that should have gone on before this are overdue. */
  readonly before: Date
  /** A worker that was not seen since is lost. */
  readonly silentSince: Date
  /** Names of workers that have just answered. */
  readonly answering: readonly string[]
}

/** What the record says of tasks of one chain that should have gone on long ago. */
export interface OverdueStore {
  /** Lanes with tasks that are overdue, those that are paused left out. */
  lanes(question: OverdueQuestion): Promise<readonly QueueLane[]>
  /** Overdue tasks of these lanes by id, from behind `after` on. */
  tasks(
    question: OverdueQuestion & {
      readonly lanes: readonly QueueLane[]
      readonly after: string
      readonly limit: number
    },
  ): Promise<readonly RecordedTask[]>
  /** Workers that have not stopped and were seen since. */
  workersSeenSince(time: Date): Promise<readonly RecordedWorker[]>
  /** How many tasks, of all chains, wait for a time that is on record and lies ahead. */
  countWaiting(now: Date): Promise<number>
}

// A task that waits counts from when it may go on; one that runs from its start, and only when its worker is lost.
const IS_OVERDUE = `
  task.chain = $1 and task.status in ('scheduled', 'running', 'retrying', 'postponed')
  and case task.status
    when 'scheduled' then greatest(task.scheduled_at, task.not_before) < $2
    when 'running' then task.started_at < $2 and (worker.name is null or worker.started_at > task.started_at
      or not worker.name = any($4::text[]) and (worker.state = 'stopped' or worker.last_seen_at < $3))
    else task.next_attempt_at < $2
  end`

const FROM_TASKS = `from blockmill.task left join blockmill.worker on worker.name = task.worker`

const LANES = `
  select distinct task.queue, task.lane ${FROM_TASKS}
  where ${IS_OVERDUE} and task.queue is not null and task.lane is not null and not exists (
    select from blockmill.queue_state as state where state.queue = task.queue and state.lane = task.lane and state.paused)`

const TASKS = `
  select ${RECORDED_TASK_COLUMNS}
  ${FROM_TASKS}
  where ${IS_OVERDUE} and (task.queue, task.lane) in (select * from unnest($5::text[], $6::text[])) and task.id > $7::uuid
  order by task.id limit $8::int`

const WORKERS = `
  select name, queues, last_seen_at as "lastSeenAt" from blockmill.worker where state = 'running' and last_seen_at >= $1`

const WAITING = `
  select count(*) as count from blockmill.task
  where status in ('scheduled', 'retrying', 'postponed')
    and case status when 'scheduled' then not_before else next_attempt_at end > $1`

/** Reads the record of one chain. All methods throw as `Sql.query` does. */
export function createOverdueStore({ sql, chain }: { readonly sql: Sql; readonly chain: string }): OverdueStore {
  const values = ({ before, silentSince, answering }: OverdueQuestion): unknown[] => [
    chain,
    before,
    silentSince,
    answering,
  ]
  return {
    lanes: (question) => sql.query<QueueLane>(LANES, values(question)),
    tasks: ({ lanes, after, limit, ...question }) =>
      sql.query<RecordedTask>(TASKS, [
        ...values(question),
        lanes.map(({ queue }) => queue),
        lanes.map(({ lane }) => lane),
        after,
        limit,
      ]),
    workersSeenSince: (time) => sql.query<RecordedWorker>(WORKERS, [time]),
    async countWaiting(now) {
      const [waiting] = await sql.query<{ count: number }>(WAITING, [now])
      return waiting?.count ?? 0
    },
  }
}
