import {
  type AnyTaskDefinition,
  type Cause,
  type ConditionBlock,
  type JsonObject,
  laneOf,
  MAX_MESSAGE_BYTES,
  type TaskItem,
  taskId,
  type TaskMessage,
} from '@blockmill/core'

/** The blocks of one task, with one set of arguments, that are to run. */
export interface PlanRequest {
  readonly chain: string
  readonly definition: AnyTaskDefinition
  readonly args: JsonObject
  /** Ascending. With hashes for tasks on the `latest` head. */
  readonly blocks: readonly ConditionBlock[]
  readonly cause: Extract<Cause, 'live' | 'lookback' | 'backfill'>
  /** Blocks in one message, where it is not live. Default: the task's own. */
  readonly chunk?: number
  /** Which deliberate run this is: Unix milliseconds of a forced re-run. Default 0, as planned. */
  readonly generation?: number
  /** The least generation of a block: that of one which has come back after a reorganisation is not 0. */
  readonly generationOf?: (block: ConditionBlock) => number
  readonly scheduledAt: Date
  /** For definitions that set no `retry.maxAttempts`. */
  readonly defaultMaxAttempts: number
}

/**
 * The messages for blocks whose condition held. A live block is a message of its own, on the lane of the task's priority.
 * Blocks looked back at or filled in ride the low lane, so that they never delay the head, in chunks of the size that the
 * task allows or a back-fill asks for. All blocks of a message are of one generation.
 */
export function planMessages(request: PlanRequest): TaskMessage[] {
  const { chain, definition, args, blocks, cause, scheduledAt, defaultMaxAttempts } = request
  const isLive = cause === 'live'
  const message: Omit<TaskMessage, 'items'> = {
    v: 1,
    chain,
    task: definition.name,
    queue: isLive ? definition.queue : definition.backfill.queue,
    lane: isLive ? laneOf(definition.priority) : 'low',
    priority: definition.priority,
    attempt: 1,
    postpones: 0,
    maxAttempts: definition.retry.maxAttempts ?? defaultMaxAttempts,
    scheduledAt: scheduledAt.toISOString(),
    cause,
  }
  const generationOf = (block: ConditionBlock) => Math.max(request.generation ?? 0, request.generationOf?.(block) ?? 0)
  const chunk = isLive ? 1 : Math.min(request.chunk ?? definition.backfill.chunk, itemsPerMessage(args))
  return chunks(blocks, chunk, generationOf).map(({ generation, items }) => ({
    ...message,
    ...(generation > 0 && { generation }),
    items: items.map((block) => planItem(chain, definition, args, block)),
  }))
}

/** How many items with these arguments fit into a message, with room for what else a message and its items carry. */
function itemsPerMessage(args: JsonObject): number {
  const itemBytes = Buffer.byteLength(JSON.stringify(args)) + 512
  return Math.max(1, Math.floor(MAX_MESSAGE_BYTES / itemBytes) - 1)
}

function planItem(chain: string, definition: AnyTaskDefinition, args: JsonObject, block: ConditionBlock): TaskItem {
  // Only on `latest` can a number name two blocks; elsewhere the hash must not change the id.
  const unit = definition.head === 'latest' ? block : { number: block.number }
  return { id: taskId({ chain, task: definition.name, args, block: unit }), block: unit, args }
}

interface Chunk<Item> {
  readonly generation: number
  readonly items: Item[]
}

/** Consecutive items of one generation, at most `size` together. */
function chunks<Item>(items: readonly Item[], size: number, generationOf: (item: Item) => number): Chunk<Item>[] {
  const result: Chunk<Item>[] = []
  for (const item of items) {
    const generation = generationOf(item)
    const last = result.at(-1)
    if (last !== undefined && last.generation === generation && last.items.length < size) last.items.push(item)
    else result.push({ generation, items: [item] })
  }
  return result
}
