import { randomUUID } from 'node:crypto'

import {
  type BlockRange,
  type Broker,
  type Database,
  type TaskMessage,
  taskMessageCodec,
  type TaskState,
} from '@blockmill/core'

/**
 * What becomes of a batch: `hold` leaves it with the worker, as one that is still running, and `postpone` does so after its handler
 * has postponed it.
 */
export type Script =
  | { readonly type: 'succeed'; readonly rows?: number; readonly parts?: number }
  | { readonly type: 'fail'; readonly message?: string }
  | { readonly type: 'split'; readonly safeSize?: number }
  | { readonly type: 'cancel' | 'die' | 'postpone'; readonly reason: string }
  | { readonly type: 'hold' }

export interface ScriptedWorkerOptions {
  readonly broker: Broker
  readonly database: Database
  /** The broker queue that it consumes. */
  readonly lane: string
  /** Batches that it holds at once. Default 50. */
  readonly prefetch?: number
  readonly script: (range: BlockRange, message: TaskMessage) => Script | Promise<Script>
}

export interface ScriptedWorker {
  /** Every message that was executed, in order; one that is delivered again is here again. */
  readonly messages: readonly TaskMessage[]
  /** The ranges of these. */
  readonly ranges: readonly BlockRange[]
  /** Gives back what it holds. */
  close(): Promise<void>
}

const RECORD = `
  insert into blockmill.task as task
    (id, chain, name, args, cause, status, generation, attempt, postpones, root_id, changed_at, finished_at, result, error, reason)
  values ($1, $2, $3, $4, 'range', $5, $6, $7, 0, $8, now(), now(), $9, $10, $11)
  on conflict (id) do update set status = excluded.status, generation = excluded.generation, attempt = excluded.attempt,
    result = excluded.result, error = excluded.error, reason = excluded.reason, finished_at = excluded.finished_at
  where excluded.generation >= task.generation`

const STORE = `
  insert into blockmill.range_result (job, task_id, execution, part, rows, bytes, data)
  select $1, $2, $3, part, 1, 1, '\\x00' from generate_series(0, $4::int - 1) as part`

/** A worker and its monitor in one: it consumes a work queue, and puts what a script says of each batch straight on record. */
export async function startScriptedWorker(options: ScriptedWorkerOptions): Promise<ScriptedWorker> {
  const { broker, database, lane, prefetch = 50, script } = options
  const messages: TaskMessage[] = []
  const execute = async (message: TaskMessage): Promise<boolean> => {
    const [item] = message.items
    if (item?.range === undefined) throw new Error('a batch has a range')
    messages.push(message)
    const outcome = await script(item.range, message)
    if (outcome.type === 'hold') return false
    const { status, result, error, reason } = await ended(database, message, outcome)
    await database.query(RECORD, [
      item.id,
      message.chain,
      message.task,
      JSON.stringify(item.args),
      status,
      message.generation ?? 0,
      message.attempt,
      message.rootId,
      JSON.stringify(result ?? null),
      JSON.stringify(error ?? null),
      reason ?? null,
    ])
    return outcome.type !== 'postpone'
  }
  const subscription = await broker.consume({
    queue: lane,
    prefetch,
    onDelivery(delivery) {
      void execute(taskMessageCodec.decode(delivery.body)).then(
        (isDone) => isDone && delivery.ack(),
        // The database of a test that is over.
        () => undefined,
      )
    },
  })
  return {
    messages,
    get ranges() {
      return messages.flatMap(({ items }) => items.flatMap(({ range }) => range ?? []))
    },
    close: () => subscription.close(),
  }
}

interface Ended {
  readonly status: TaskState
  readonly result?: unknown
  readonly error?: unknown
  readonly reason?: string
}

async function ended(
  { query }: Database,
  { items: [item], rootId }: TaskMessage,
  outcome: Exclude<Script, { type: 'hold' }>,
): Promise<Ended> {
  switch (outcome.type) {
    case 'succeed': {
      const { rows = 0, parts = rows } = outcome
      const execution = randomUUID()
      if (parts > 0) await query(STORE, [rootId, item?.id, execution, parts])
      return { status: 'succeeded', result: { rows, parts: rows === 0 ? [] : [{ execution, parts: rows, rows }] } }
    }
    case 'fail': {
      const message = outcome.message ?? 'it broke'
      return { status: 'failed', error: { name: 'Error', message, classes: ['Error'] }, reason: 'exhausted' }
    }
    case 'split':
      return { status: 'cancelled', result: { split: { safeSize: outcome.safeSize ?? null } }, reason: 'too large' }
    case 'cancel':
      return { status: 'cancelled', reason: outcome.reason }
    case 'die':
      return { status: 'dead', reason: outcome.reason }
    case 'postpone':
      return { status: 'postponed', reason: outcome.reason }
  }
}
