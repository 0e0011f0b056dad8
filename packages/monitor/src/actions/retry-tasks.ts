import {
  createTaskPublish,
  createUniqueClaims,
  isFinal,
  type RecordedTask,
  RECORDED_TASK_COLUMNS,
  retryMessage,
  type TaskMessage,
  type UniqueClaims,
} from '@blockmill/core'

import { confirmed, noBroker } from './confirmed.ts'
import type { TaskActionOptions, TaskActionPorts, TaskOutcome } from './task-action.ts'

/** Each is a few short statements and a message. */
const AT_ONCE = 5

/**
 * Publishes tasks that have ended again, made anew from the record: as a new generation with the cause `replay`, from their
 * first attempt on.
 *
 * Each is claimed as unique tasks are, so that two who order it at the same time start one run, and a unique task is live
 * once. The claim ends when the recorder learns that the run has.
 */
export async function retryTasks(
  { database, broker, now }: TaskActionPorts,
  ids: readonly string[],
  options: TaskActionOptions = {},
): Promise<TaskOutcome[]> {
  if (broker === undefined) throw noBroker()
  const rows = await database.query<RecordedTask>(
    `select ${RECORDED_TASK_COLUMNS} from blockmill.task where id = any($1::uuid[])`,
    [[...ids]],
  )
  const tasks = new Map(rows.map((row) => [row.id, row]))
  const claims = createUniqueClaims(database)
  const publish = createTaskPublish(broker)
  const ports = { claims, publish: (message: TaskMessage) => confirmed(publish(message)), nowMs: now().getTime() }
  const outcomes: TaskOutcome[] = []
  for (let n = 0; n < ids.length; n += AT_ONCE) {
    const some = ids.slice(n, n + AT_ONCE).map((id) => retryTask(ports, id, tasks.get(id), options))
    outcomes.push(...(await Promise.all(some)))
  }
  return outcomes
}

interface RetryPorts {
  readonly claims: UniqueClaims
  readonly publish: (message: TaskMessage) => Promise<void>
  readonly nowMs: number
}

async function retryTask(
  { claims, publish, nowMs }: RetryPorts,
  id: string,
  task: RecordedTask | undefined,
  { force = false }: TaskActionOptions,
): Promise<TaskOutcome> {
  const refused = (why: string): TaskOutcome => ({ id, type: 'conflict', why })
  if (task === undefined) return { id, type: 'unknown' }
  if (!isFinal(task.status)) return refused(`is ${task.status}: only one that has ended can be run again`)
  if (task.status === 'succeeded' && !force) return refused('has succeeded: it is run again only with force')
  const { chain, name, argsHash, generation } = task
  const message = retryMessage(task, { generation, nowMs })
  if (message === undefined || argsHash === null) {
    return refused('cannot be run again: the message that scheduled it is not on record')
  }
  const claim = await claims.claim({ id, chain, name, argsHash, generation: Math.max(nowMs, generation + 1) })
  if (claim === undefined) return refused('was just started again')
  try {
    await publish({ ...message, generation: claim.generation })
  } catch (error) {
    await claims.refused(id, claim)
    throw error
  }
  await claims.published(id, claim)
  return { id, type: 'done' }
}
