import {
  type Broker,
  type Database,
  NonRetryableError,
  type Query,
  RetryableError,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
  within,
} from '@blockmill/core'

import { deleteDeadLetters, lockDeadLetter } from './dead-letter-store.ts'
import { readReplay, type RecordedTask, replayOf } from './replay-message.ts'

export interface ReplayPorts {
  readonly database: Database
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'declare'>
  readonly now: () => Date
}

/** What was published again. */
export interface Replayed {
  readonly id: string
  readonly taskIds: readonly string[]
  readonly generation: number
}

/** What became of several letters. */
export interface ReplayReport {
  readonly replayed: number
  /** Letters that stay, and why. */
  readonly refused: readonly { readonly id: string; readonly why: string }[]
}

/** Longest wait for the broker; the transaction that keeps the letter from others is open for as long. */
const PUBLISH_WITHIN_MS = 8_000

/**
 * Publishes the tasks of a dead letter again, to the queue and lane that they are for, and deletes the letter. Nothing of the
 * old delivery goes with them: neither its counters nor its `x-death` headers. After a crash in between the letter is still
 * there; replayed again, its tasks are refused as soon as the record knows that they have run.
 *
 * @throws NonRetryableError `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_CONFLICT`; RetryableError `BROKER_PUBLISH_FAILED`.
 */
export function replayDeadLetter({ database, broker, now }: ReplayPorts, id: string): Promise<Replayed> {
  return database.withTransaction(async (query) => {
    const letter = await lockDeadLetter(query, id)
    if (letter === undefined) {
      throw new NonRetryableError('DEAD_LETTER_UNKNOWN', `No dead letter with the id ${id} is on record.`)
    }
    const read = readReplay(letter, broker.topology.monitorQueue)
    if (read.type === 'refused') throw notReplayable(id, read.why)
    const recorded = await readTasks(query, read.message)
    const replay = replayOf(read.message, { recorded, nowMs: now().getTime() })
    if (replay.type === 'refused') throw notReplayable(id, replay.why)
    await publish(broker, replay.message)
    await deleteDeadLetters(query, [id])
    const { items, generation = 0 } = replay.message
    return { id, taskIds: items.map((item) => item.id), generation }
  })
}

/**
 * Replays several letters one after the other. Those that cannot be replayed stay, and so does all that follows when the
 * broker takes no more.
 *
 * @throws RetryableError `BROKER_PUBLISH_FAILED`, the error of the database.
 */
export async function replayDeadLetters(ports: ReplayPorts, ids: readonly string[]): Promise<ReplayReport> {
  let replayed = 0
  const refused: { id: string; why: string }[] = []
  for (const id of ids) {
    try {
      await replayDeadLetter(ports, id)
      replayed += 1
    } catch (error) {
      if (!(error instanceof NonRetryableError)) throw error
      // Somebody else has replayed or deleted it meanwhile.
      if (error.code !== 'DEAD_LETTER_UNKNOWN') refused.push({ id, why: error.message })
    }
  }
  return { replayed, refused }
}

async function readTasks(query: Query, { items }: TaskMessage): Promise<RecordedTask[]> {
  return query<{ id: string; status: string; generation: number }>(
    'select id, status, generation from blockmill.task where id = any($1::uuid[])',
    [items.map(({ id }) => id)],
  )
}

async function publish(broker: ReplayPorts['broker'], message: TaskMessage): Promise<void> {
  const { topology, publisher } = broker
  const { queue, lane, items } = message
  const published = (async () => {
    // The queue may be gone, and the monitor's binding would hide that nothing took the message.
    await broker.declare(topology.work(queue))
    await publisher.publish({
      exchange: topology.exchanges.tasks,
      routingKey: topology.taskKey(queue, lane),
      body: taskMessageCodec.encode(message),
      type: TASK_MESSAGE_TYPE,
      ...(items[0] !== undefined && { messageId: items[0].id }),
    })
  })()
  if (await within(PUBLISH_WITHIN_MS, published)) return
  // Nobody waits for it any more; should it be taken later, the letter is still there, and refused once the task has run.
  published.catch(() => undefined)
  throw new RetryableError('BROKER_PUBLISH_FAILED', 'The broker takes no messages at the moment. Try again later.')
}

function notReplayable(id: string, why: string): NonRetryableError {
  return new NonRetryableError('DEAD_LETTER_CONFLICT', `Dead letter ${id} cannot be replayed: ${why}.`)
}
