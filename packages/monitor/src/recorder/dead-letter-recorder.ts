import { type Broker, type Database, databaseFailure, type Delivery, type Logger, type Query } from '@blockmill/core'

import { type DeadLetter, readDeadLetter } from './dead-letter.ts'
import { foldBatch } from './records.ts'
import type { Storage } from './storage.ts'
import { storeRecordsIn } from './store-records.ts'

export interface DeadLetterRecorderOptions {
  readonly broker: Pick<Broker, 'consume' | 'topology'>
  readonly storage: Storage
  readonly logger: Logger
  readonly now?: () => number
  /** Called with each letter that was stored. */
  readonly onRecorded?: (letter: DeadLetter) => void
}

/** Stores what is on the dead queue, and marks the tasks that died with it. */
export interface DeadLetterRecorder {
  /** Resolves when it consumes. Idempotent. */
  start(): Promise<void>
  /** Finishes what it writes; the rest goes back to the queue. Idempotent. */
  stop(): Promise<void>
}

/** Dead letters are few, and each may be large. */
const PREFETCH = 20

export function createDeadLetterRecorder({
  broker,
  storage,
  logger,
  now = Date.now,
  onRecorded,
}: DeadLetterRecorderOptions): DeadLetterRecorder {
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  let consuming: ReturnType<Broker['consume']> | undefined
  let stopped: Promise<void> | undefined

  const record = async (delivery: Delivery): Promise<void> => {
    const letter = readDeadLetter(delivery, { now: now(), monitorQueue: broker.topology.monitorQueue })
    try {
      await storage.store((database) => storeWithTasks(database, letter), stopping.signal)
      delivery.ack()
      onRecorded?.(letter)
    } catch (error) {
      // It goes back to the queue when the subscription closes.
      if (stopping.signal.aborted) return
      logger.error({ err: error, id: letter.id }, 'a dead letter cannot be stored; it stays in the dead queue')
    }
  }

  return {
    async start() {
      consuming ??= broker.consume({
        queue: broker.topology.deadQueue,
        prefetch: PREFETCH,
        onDelivery(delivery) {
          const work: Promise<void> = record(delivery).finally(() => underWay.delete(work))
          underWay.add(work)
        },
      })
      await consuming
    },
    stop() {
      stopped ??= (async () => {
        // A start that failed has been reported to whoever asked for it.
        const subscription = await consuming?.catch(() => undefined)
        await subscription?.pause()
        stopping.abort(new Error('the recorder of dead letters stops'))
        await Promise.all(underWay)
        await subscription?.close()
      })()
      return stopped
    },
  }
}

/** With its tasks if they can be stored, without them if not: the letter itself always can be. */
async function storeWithTasks(database: Database, letter: DeadLetter): Promise<void> {
  const write = (tasks: DeadLetter['tasks']) =>
    database.withTransaction(async (query) => {
      await insertDeadLetter(query, letter)
      await storeRecordsIn(query, foldBatch([{ tasks, attempts: [], workers: [] }]))
    })
  try {
    await write(letter.tasks)
  } catch (error) {
    if (databaseFailure(error) !== 'rejected') throw error
    await write([])
  }
}

async function insertDeadLetter(query: Query, letter: DeadLetter): Promise<void> {
  await query(
    `insert into blockmill.dead_letter (id, queue, reason, error, type, task_id, chain, task, headers, body)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing`,
    [
      letter.id,
      letter.queue,
      letter.reason,
      letter.error,
      letter.type,
      letter.taskId,
      letter.chain,
      letter.task,
      letter.headers,
      letter.body,
    ],
  )
}
