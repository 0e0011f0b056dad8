import { setTimeout as delay } from 'node:timers/promises'

import { type Broker, type Lane, type Query, RetryableError, type TaskState } from '@blockmill/core'

import type { TaskFilter } from '../http/task-filter.ts'
import type { AttemptRecord } from '../recorder/attempt-record.ts'
import { storeRecords } from '../recorder/store-records.ts'
import type { TaskRecord } from '../recorder/task-record.ts'
import { cancelTasks } from './cancel-tasks.ts'
import { countTasks, tasksByFilter } from './select-tasks.ts'
import type { TaskActionPorts, TaskOutcome } from './task-action.ts'

/** A queue, or one lane of it, that was purged. */
export interface PurgedQueue {
  readonly queue: string
  readonly lane?: Lane | undefined
  /** What is scheduled later is not meant. */
  readonly requestedAt: Date
}

export interface CancelWaitingPorts extends TaskActionPorts {
  readonly broker: NonNullable<TaskActionPorts['broker']> & Pick<Broker, 'depth'>
  /** From when the monitor's queue is empty until what it held is on record. Default 1 s. */
  readonly settleMs?: number
}

const MOST = 1_000_000
const LOOK_AGAIN_MS = 200
const GIVE_UP_MS = 120_000
const SETTLE_MS = 1_000

/** How many tasks are on record as waiting in a queue. */
export function countWaiting(query: Query, purged: PurgedQueue): Promise<number> {
  return countTasks(query, waitingIn(purged), MOST)
}

/**
 * Calls off the tasks that are on record as waiting in a queue whose messages were dropped, so that nothing publishes them again.
 *
 * Those that are due have no message any more: no worker will report their end, so it is recorded here. Those that wait in a
 * delay queue have one, and end when a worker gets it, like all that is cancelled. What was dropped may not be on record yet, so
 * the record is looked through once more when the monitor has read its queue.
 *
 * @returns a step for each batch.
 * @throws RetryableError `BROKER_UNREACHABLE` when the monitor has not read its queue after two minutes, `BROKER_PUBLISH_FAILED`;
 * the error of the database.
 */
export async function* cancelWaiting(ports: CancelWaitingPorts, purged: PurgedQueue): AsyncGenerator<TaskOutcome[]> {
  const { database, settleMs = SETTLE_MS } = ports
  const called = new Set<string>()
  const giveUpAt = performance.now() + GIVE_UP_MS
  for (let isLast = false; ;) {
    for await (const ids of tasksByFilter(database.query, waitingIn(purged), MOST)) {
      const some = ids.filter((id) => !called.has(id))
      const outcomes = some.length === 0 ? [] : await cancelBatch(ports, some, purged)
      // Those that have not ended are found again.
      for (const id of await stillWaiting(database.query, some)) called.add(id)
      yield outcomes
    }
    if (isLast) return
    while (!(isLast = await isRecordUpToDate(ports.broker))) {
      if (performance.now() > giveUpAt) throw recordIsBehind()
      await delay(LOOK_AGAIN_MS)
      yield []
    }
    await delay(settleMs)
  }
}

function waitingIn({ queue, lane, requestedAt }: PurgedQueue): TaskFilter {
  return {
    status: ['scheduled', 'retrying', 'postponed'],
    queue,
    ...(lane !== undefined && { lane }),
    scheduledTo: requestedAt.toISOString(),
  }
}

interface WaitingTask {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly block: number | null
  readonly status: TaskState
  readonly generation: number
  readonly attempt: number
  readonly postpones: number
}

const DUE = `
select id, chain, name, block_number as block, status, generation, attempt, postpones from blockmill.task
where id = any($1::uuid[]) and status in ('scheduled', 'retrying', 'postponed')
  and coalesce(case status when 'scheduled' then not_before else next_attempt_at end, '-infinity') <= $2
order by id`

async function cancelBatch(
  ports: CancelWaitingPorts,
  ids: readonly string[],
  { queue }: PurgedQueue,
): Promise<TaskOutcome[]> {
  // First the order: a message that is somewhere all the same ends when a worker gets it.
  const outcomes = await cancelTasks(ports, ids)
  const at = ports.now()
  const due = await ports.database.query<WaitingTask>(DUE, [[...ids], at])
  const reason = `queue ${queue} was purged by ${ports.by}`
  const tasks = due.map((task) => cancelledTask(task, reason, at.getTime()))
  await storeRecords(ports.database, { tasks, attempts: tasks.map(cancelledAttempt), workers: [] })
  return outcomes
}

/** Cancelled before the attempt that it waited for. */
function cancelledTask({ status, attempt, postpones, ...task }: WaitingTask, reason: string, at: number): TaskRecord {
  const { id, chain, name, block, generation } = task
  return {
    id,
    chain,
    name,
    block,
    unit: null,
    schedule: null,
    state: {
      state: 'cancelled',
      generation,
      attempt: attempt + (status === 'retrying' ? 1 : 0),
      postpones: postpones + (status === 'postponed' ? 1 : 0),
      changedAt: at,
      startedAt: null,
      finishedAt: at,
      nextAttemptAt: null,
      worker: null,
      result: null,
      error: null,
      reason,
    },
    progress: null,
  }
}

function cancelledAttempt({ id, state }: TaskRecord): AttemptRecord {
  const { generation, attempt, postpones, changedAt, reason } = state
  const common = { taskId: id, generation, attempt, postpones, outcome: 'cancelled' as const }
  return { ...common, startedAt: changedAt, finishedAt: changedAt, worker: '', error: null, reason, delayMs: null }
}

async function stillWaiting(query: Query, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await query<{ id: string }>(
    `select id from blockmill.task where id = any($1::uuid[]) and status in ('scheduled', 'retrying', 'postponed')`,
    [[...ids]],
  )
  return rows.map(({ id }) => id)
}

/** True when nothing waits for the monitor. */
async function isRecordUpToDate(broker: CancelWaitingPorts['broker']): Promise<boolean> {
  return ((await broker.depth(broker.topology.monitorQueue))?.messages ?? 0) === 0
}

function recordIsBehind(): RetryableError {
  return new RetryableError(
    'BROKER_UNREACHABLE',
    'The monitor has not recorded all that waits in its queue, so tasks may be left. Give the order again when it has.',
  )
}
