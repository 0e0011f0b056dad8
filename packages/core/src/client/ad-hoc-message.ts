import { inspect } from 'node:util'
import { parse } from 'secure-json-parse'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { TaskMessage } from '../message/task-message.ts'
import { isBlockNumber } from '../range/block-range.ts'
import type { AnyTaskDefinition, TaskBlock } from '../task/define-task.ts'
import { type Duration, durationMs } from '../task/duration.ts'
import type { JsonObject } from '../task/json.ts'
import { laneOf } from '../task/lane.ts'
import { assertQueueName } from '../task/queue-name.ts'
import { argsProblems } from '../task/task-args.ts'
import { adHocTaskId, taskId, uniqueTaskId } from '../task/task-id.ts'
import type { EnqueueOptions } from './client.ts'

/** What is to be enqueued, and what it depends on. */
export interface AdHocRequest {
  readonly chain: string
  readonly definition: AnyTaskDefinition
  readonly args: JsonObject
  readonly options: EnqueueOptions
  /** For definitions that set no `retry.maxAttempts`. */
  readonly defaultMaxAttempts: number
  /** Unix milliseconds. */
  readonly nowMs: number
}

/** Nobody means a time further ahead than this; 365 days. */
const MAX_AHEAD_MS = 365 * 24 * 60 * 60 * 1_000
/** Far outside of any use, and far inside of the column that priorities are recorded in. */
const MAX_PRIORITY = 1_000_000
const MAX_ATTEMPTS = 1_000_000
const MAX_HASH_LENGTH = 128
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** True when a second live task like this one must be refused. */
export function isUnique({ unique, block }: EnqueueOptions): boolean {
  return unique ?? block === undefined
}

/**
 * The message of a task that is enqueued by hand. Pure but for the random id of a task that is neither unique nor for a block.
 *
 * A task that was there before, of a block or unique, runs as a new generation, so that the record shows the new run instead
 * of taking it for a repetition of the old one.
 *
 * @throws NonRetryableError `ENQUEUE_INVALID` listing every rule that the request breaks.
 */
export function adHocMessage(request: AdHocRequest): TaskMessage {
  const { chain, definition, args, options, nowMs } = request
  const startMs = timeMs('executeAfter', options.executeAfter, nowMs)
  const expiresMs = timeMs('expires', options.expires, nowMs)
  const problems = requestProblems(request, startMs, expiresMs)
  if (problems.length > 0) {
    throw new NonRetryableError(
      'ENQUEUE_INVALID',
      `Task '${definition.name}' cannot be enqueued:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }
  const block = typeof options.block === 'number' ? { number: options.block } : options.block
  const priority = options.priority ?? definition.priority
  const id = idOf(request, block)
  return {
    v: 1,
    chain,
    task: definition.name,
    queue: options.queue ?? definition.queue,
    lane: laneOf(priority),
    priority,
    ...(block !== undefined && { generation: nowMs }),
    attempt: 1,
    postpones: 0,
    maxAttempts: options.maxAttempts ?? definition.retry.maxAttempts ?? request.defaultMaxAttempts,
    scheduledAt: new Date(nowMs).toISOString(),
    ...(typeof startMs === 'number' && startMs > nowMs && { notBefore: new Date(startMs).toISOString() }),
    ...(typeof expiresMs === 'number' && { expiresAt: new Date(expiresMs).toISOString() }),
    cause: 'manual',
    items: [{ id, ...(block !== undefined && { block }), args }],
    ...(options.rootId !== undefined && { rootId: options.rootId }),
    ...(options.parentId !== undefined && { parentId: options.parentId }),
  }
}

function idOf(
  { chain, definition: { name: task }, args, options }: AdHocRequest,
  block: TaskBlock | undefined,
): string {
  if (block !== undefined) return taskId({ chain, task, args, block })
  return isUnique(options) ? uniqueTaskId({ chain, task, args }) : adHocTaskId()
}

/** When it is, in Unix milliseconds; an error for what is no time. */
function timeMs(what: string, time: Duration | Date | undefined, nowMs: number): number | undefined | Error {
  if (time === undefined) return undefined
  if (time instanceof Date)
    return Number.isNaN(time.getTime()) ? new Error(`${what} is an invalid Date`) : time.getTime()
  try {
    return nowMs + durationMs(time, what)
  } catch (error) {
    return error as Error
  }
}

function requestProblems(
  { chain, definition, args, options, nowMs }: AdHocRequest,
  startMs: ReturnType<typeof timeMs>,
  expiresMs: ReturnType<typeof timeMs>,
): string[] {
  const { block, priority = definition.priority, maxAttempts, rootId, parentId } = options
  const earliestMs = typeof startMs === 'number' ? Math.max(startMs, nowMs) : nowMs
  return [
    ...argumentProblems(args, definition),
    ...rule(
      definition.chains?.includes(chain) ?? true,
      `it is for the chains ${definition.chains?.join(', ')}, not for '${chain}'`,
    ),
    ...queueProblems(options.queue),
    ...rule(
      Number.isSafeInteger(priority) && Math.abs(priority) <= MAX_PRIORITY,
      `priority is ${show(priority)}; it must be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`,
    ),
    ...timeProblems('executeAfter', startMs, nowMs),
    ...timeProblems('expires', expiresMs, nowMs),
    ...rule(
      typeof expiresMs !== 'number' || expiresMs > earliestMs,
      `expires is ${show(options.expires)}; the task would expire before it may start`,
    ),
    ...rule(
      block === undefined || isBlock(block),
      `block is ${show(block)}; it must be a block number from 0 up, or { number, hash }`,
    ),
    ...rule(
      maxAttempts === undefined ||
        (Number.isSafeInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= MAX_ATTEMPTS),
      `maxAttempts is ${show(maxAttempts)}; it must be a whole number from 1 to ${MAX_ATTEMPTS}`,
    ),
    ...rule(
      options.unique === undefined || typeof options.unique === 'boolean',
      `unique is ${show(options.unique)}; it must be true or false`,
    ),
    ...rule(rootId === undefined || UUID.test(rootId), `rootId is ${show(rootId)}; it must be the id of a task`),
    ...rule(
      parentId === undefined || UUID.test(parentId),
      `parentId is ${show(parentId)}; it must be the id of a task`,
    ),
  ]
}

function isBlock(block: unknown): boolean {
  if (typeof block !== 'object' || block === null) return isBlockNumber(block)
  const { number, hash = '' } = block as { readonly number?: unknown; readonly hash?: unknown }
  return isBlockNumber(number) && typeof hash === 'string' && hash.length <= MAX_HASH_LENGTH
}

function argumentProblems(args: unknown, { schema }: AnyTaskDefinition): string[] {
  try {
    const problems = argsProblems(args, schema)
    return problems.length === 0 ? prototypeProblems(args) : problems
  } catch (error) {
    // They have getters that throw, or their schema cannot be compiled.
    return [`args cannot be checked: ${(error as Error).message}`]
  }
}

/** Whoever receives such a message takes it for an attack. */
function prototypeProblems(args: unknown): string[] {
  try {
    parse(JSON.stringify(args), undefined, { protoAction: 'error', constructorAction: 'error' })
    return []
  } catch (error) {
    return [`args cannot be carried by a message: ${(error as Error).message} (__proto__ or constructor.prototype)`]
  }
}

function queueProblems(queue: string | undefined): string[] {
  if (queue === undefined) return []
  try {
    assertQueueName(queue, 'queue')
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}

function timeProblems(what: string, ms: ReturnType<typeof timeMs>, nowMs: number): string[] {
  if (ms instanceof Error) return [ms.message]
  return rule(ms === undefined || ms - nowMs <= MAX_AHEAD_MS, `${what} is more than 365 days ahead`)
}

function rule(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}

function show(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY })
}
