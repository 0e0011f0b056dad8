import {
  createEnqueue,
  createTaskPublish,
  createUniqueClaims,
  defineTask,
  type Duration,
  type EnqueuedTask,
  type JsonObject,
  NonRetryableError,
} from '@blockmill/core'

import { confirmed, noBroker } from './confirmed.ts'
import type { TaskActionPorts } from './task-action.ts'

/** A task that somebody asks for who has no task definitions at hand, as the monitor has none. */
export interface TaskRequest {
  readonly chain: string
  readonly name: string
  readonly args?: Readonly<Record<string, unknown>> | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
  readonly maxAttempts?: number | undefined
  readonly unique?: boolean | undefined
  /** A duration such as `5m`, or a time in ISO 8601. */
  readonly executeAfter?: string | undefined
  /** Likewise. */
  readonly expires?: string | undefined
  readonly block?: number | undefined
  readonly blockHash?: string | undefined
}

/** What is wrong with a request. */
export interface FieldProblem {
  readonly field: string
  readonly message: string
}

/**
 * Enqueues a task by its name, as `client.enqueue` does. What the request leaves open is as for a definition that says nothing
 * of it: queue `default`, priority 10, three attempts. Whether there is such a task, and its arguments fit it, is for the worker
 * to say that receives it.
 *
 * @throws NonRetryableError `ENQUEUE_INVALID`, see `enqueueProblems`; RetryableError `BROKER_PUBLISH_FAILED`,
 * `DATABASE_UNREACHABLE`.
 */
export async function enqueueTask(
  { database, broker, now }: Omit<TaskActionPorts, 'by'>,
  { chain, name, args = {}, queue, block, blockHash, executeAfter, expires, ...options }: TaskRequest,
): Promise<EnqueuedTask> {
  if (broker === undefined) throw noBroker()
  const publish = createTaskPublish(broker)
  const enqueue = createEnqueue({
    chain,
    publish: (message) => confirmed(publish(message)),
    claims: createUniqueClaims(database),
    now: () => now().getTime(),
  })
  const definition = defineTask<JsonObject>({ name, ...(queue !== undefined && { queue }), run: () => undefined })
  return enqueue(definition, args as JsonObject, {
    ...options,
    ...(block !== undefined && { block: { number: block, ...(blockHash !== undefined && { hash: blockHash }) } }),
    executeAfter: timeOf(executeAfter),
    expires: timeOf(expires),
  })
}

/** What is wrong with the request that an error is about; nothing for errors of other kinds. */
export function enqueueProblems(error: unknown): readonly FieldProblem[] {
  if (!(error instanceof NonRetryableError) || error.code !== 'ENQUEUE_INVALID') return []
  // Each rule that is broken is a line, which begins with what it is about.
  const lines = error.message.matchAll(/^ {2}- (\w+)\S* (.*)$/gm)
  return [...lines].map(([, field = 'request', message = '']) => ({ field, message }))
}

/** A time with a date is one; everything else is left to the client, which knows durations. */
function timeOf(text: string | undefined): Duration | Date | undefined {
  if (text === undefined) return undefined
  return /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : (text as Duration)
}
