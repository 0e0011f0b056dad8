import { setTimeout as delay } from 'node:timers/promises'

import { type Broker, type Lane, type Query, RetryableError } from '@blockmill/core'

import type { TaskFilter } from '../http/task-filter.ts'
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
  /** How long nothing new may come on record when the monitor's queue is empty, until all is. Default 10 s. */
  readonly settleMs?: number
}

const MOST = 1_000_000
const LOOK_AGAIN_MS = 200
const GIVE_UP_MS = 120_000
/** A monitor holds messages that the broker no longer counts: up to 200,000 tasks, which take it some seven seconds to write. */
const SETTLE_MS = 10_000

/** How many tasks are on record as waiting in a queue. */
export function countWaiting(query: Query, purged: PurgedQueue): Promise<number> {
  return countTasks(query, waitingIn(purged), MOST)
}

/**
 * Calls off the tasks that are on record as waiting in a queue whose messages were dropped, so that nothing publishes them again.
 *
 * Those that are due have no message any more: no worker will report their end, so it is recorded here. Those that wait in a
 * delay queue have one, and end when a worker gets it, like all that is cancelled. What was dropped may not be on record yet, so
 * the record is looked through again when the monitor has read its queue, until a look finds nothing new.
 *
 * @returns a step for each batch.
 * @throws RetryableError `BROKER_UNREACHABLE` when the monitor has not read its queue after two minutes, `BROKER_PUBLISH_FAILED`;
 * the error of the database.
 */
export async function* cancelWaiting(ports: CancelWaitingPorts, purged: PurgedQueue): AsyncGenerator<TaskOutcome[]> {
  const { database, settleMs = SETTLE_MS } = ports
  const called = new Set<string>()
  for (let hasRead = false; ;) {
    let isAnyNew = false
    for await (const ids of tasksByFilter(database.query, waitingIn(purged), MOST)) {
      const some = ids.filter((id) => !called.has(id))
      isAnyNew ||= some.length > 0
      const outcomes = some.length === 0 ? [] : await cancelBatch(ports, some, purged)
      // Those that have not ended are found again.
      for (const id of await stillWaiting(database.query, some)) called.add(id)
      yield outcomes
    }
    if (hasRead && !isAnyNew) return
    const askedAt = performance.now()
    while (!(hasRead = await isRecordUpToDate(ports.broker))) {
      if (performance.now() - askedAt > GIVE_UP_MS) throw recordIsBehind()
      await delay(LOOK_AGAIN_MS)
      yield []
    }
    for (let leftMs = settleMs; leftMs > 0; leftMs -= LOOK_AGAIN_MS) {
      await delay(LOOK_AGAIN_MS)
      yield []
    }
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

async function cancelBatch(
  ports: CancelWaitingPorts,
  ids: readonly string[],
  { queue }: PurgedQueue,
): Promise<TaskOutcome[]> {
  // First the order: a message that is somewhere all the same ends when a worker gets it.
  const outcomes = await cancelTasks(ports, ids)
  const reason = `queue ${queue} was purged by ${ports.by}`
  await ports.database.query('select blockmill.end_cancelled($1::uuid[], $2, $3)', [[...ids], ports.now(), reason])
  return outcomes
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
