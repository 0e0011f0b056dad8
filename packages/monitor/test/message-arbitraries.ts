import {
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
  HEARTBEAT_MESSAGE_TYPE,
  heartbeatCodec,
  TASK_MESSAGE_TYPE,
  type TaskEvent,
  type TaskMessage,
  taskId,
  taskMessageCodec,
} from '@blockmill/core'
import * as fc from 'fast-check'

/** A message as it lies in the monitor's queue. */
export interface Message {
  readonly type: string
  readonly body: Buffer
}

/** The id of the test task for a block. */
export function idOfBlock(block: number): string {
  return taskId({ chain: 'dev', task: 'test-task', args: { netuid: 1 }, block: { number: block } })
}

/** A task message with defaults for everything. */
export function taskMessage(
  blocks: readonly number[],
  changes: Partial<TaskMessage> = {},
): Message & { readonly message: TaskMessage } {
  const message: TaskMessage = {
    v: 1,
    chain: 'dev',
    task: 'test-task',
    queue: 'default',
    lane: 'normal',
    priority: 10,
    attempt: 1,
    postpones: 0,
    maxAttempts: 3,
    scheduledAt: '2026-01-01T00:00:00.000Z',
    cause: 'live',
    items: blocks.map((number) => ({ id: idOfBlock(number), block: { number }, args: { netuid: 1 } })),
    ...changes,
  }
  return { type: TASK_MESSAGE_TYPE, body: taskMessageCodec.encode(message), message }
}

/** An event message. */
export function eventMessage(events: readonly TaskEvent[], worker = 'worker-a'): Message {
  const message = { v: 1 as const, worker, sentAt: '2026-01-01T00:00:00.000Z', events: [...events] }
  return { type: EVENT_MESSAGE_TYPE, body: eventMessageCodec.encode(message) }
}

/** What every event of the test task says. */
export function eventBase(block: number, changes: { attempt?: number; postpones?: number; at?: string } = {}) {
  return {
    taskId: idOfBlock(block),
    chain: 'dev',
    task: 'test-task',
    block,
    attempt: 1,
    postpones: 0,
    at: '2026-01-01T00:00:02.000Z',
    ...changes,
  }
}

/** The task of a block has succeeded. */
export function succeeded(
  block: number,
  changes: { attempt?: number; result?: unknown } = {},
): Extract<TaskEvent, { type: 'succeeded' }> {
  return {
    type: 'succeeded',
    startedAt: '2026-01-01T00:00:01.000Z',
    result: { block },
    ...eventBase(block),
    ...changes,
  }
}

/** A heartbeat that lists the tasks of some blocks as running. */
export function heartbeat(blocks: readonly number[], second = 1, worker = 'worker-a'): Message {
  const body = heartbeatCodec.encode({
    v: 1,
    worker,
    sentAt: iso(second * 1_000),
    startedAt: iso(0),
    host: 'host',
    pid: 7,
    queues: ['default'],
    concurrency: 4,
    stopping: false,
    running: blocks.map((block) => {
      const { at: _, ...running } = eventBase(block)
      return { ...running, startedAt: iso(second * 1_000) }
    }),
    rssBytes: 1e8,
    eventLoopLagMs: 1.5,
  })
  return { type: HEARTBEAT_MESSAGE_TYPE, body }
}

const KINDS = [
  'scheduled',
  'heartbeat',
  'started',
  'succeeded',
  'retrying',
  'postponed',
  'failed',
  'cancelled',
  'orphaned',
  'progress',
  'split',
] as const

/**
 * Any message about one of two tasks, of any generation, attempt and worker. Its content follows from what tells it apart,
 * as in life: one thing that happened is always reported in the same words.
 */
export const anyMessage: fc.Arbitrary<Message> = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    block: fc.constantFrom(1, 2),
    generation: fc.constantFrom(0, 1_000),
    attempt: fc.integer({ min: 1, max: 3 }),
    postpones: fc.integer({ min: 0, max: 1 }),
    worker: fc.constantFrom('worker-a', 'Worker-b'),
    tick: fc.integer({ min: 0, max: 3 }),
    moved: fc.boolean(),
  })
  .map(({ kind, block, generation, attempt, postpones, worker, tick, moved }) => {
    // Different things never happen at the same time, so that none of them has to be chosen at will.
    const time = tick * 1_000 + KINDS.indexOf(kind)
    const at = iso(time)
    if (kind === 'scheduled') {
      return taskMessage([block], {
        generation,
        attempt,
        postpones,
        scheduledAt: at,
        notBefore: at,
        expiresAt: at,
        priority: generation + tick,
        ...(moved && { movedAt: generation + 500, queue: 'moved' }),
      })
    }
    // One heartbeat at a time, so it lists all tasks that can run.
    if (kind === 'heartbeat') return heartbeat([1, 2], tick, worker)
    const base = { ...eventBase(block), generation, attempt, postpones, at }
    const ended = { ...base, startedAt: iso(time - 1) }
    const error = { name: 'Error', message: `${attempt} ${at} ${worker}`, classes: ['Error'] }
    const wait = { delayMs: time, nextAttemptAt: iso(time + 10_000) }
    const events: Readonly<Record<typeof kind, TaskEvent>> = {
      started: { type: 'started', ...base },
      succeeded: { type: 'succeeded', ...ended, result: { at, worker } },
      retrying: { type: 'retrying', ...ended, error, ...wait },
      postponed: { type: 'postponed', ...ended, reason: at, ...wait },
      failed: { type: 'failed', ...ended, error, reason: 'exhausted' },
      cancelled: { type: 'cancelled', ...ended, reason: at },
      orphaned: { type: 'orphaned', ...base, reason: at },
      progress: { type: 'progress', ...base, done: tick, total: 3 },
      split: { type: 'split', ...ended, reason: at, safeSize: tick + 1 },
    }
    return eventMessage([events[kind]], worker)
  })

/** Messages, and the same messages shuffled, with some of them repeated. */
export const anyDelivery: fc.Arbitrary<{ readonly messages: Message[]; readonly delivered: Message[] }> = fc
  .array(anyMessage, { minLength: 1, maxLength: 12 })
  .chain((messages) =>
    fc
      .array(fc.constantFrom(...messages), { maxLength: 8 })
      .chain((repeated) =>
        fc.shuffledSubarray([...messages, ...repeated], { minLength: messages.length + repeated.length }),
      )
      .map((delivered) => ({ messages, delivered })),
  )

/** A list cut into consecutive parts at arbitrary places. */
export function anySplit<Item>(items: readonly Item[]): fc.Arbitrary<Item[][]> {
  return fc.array(fc.integer({ min: 0, max: items.length }), { maxLength: 4 }).map((cuts) => {
    const bounds = [0, ...cuts.sort((a, b) => a - b), items.length]
    return bounds.slice(1).map((end, index) => items.slice(bounds[index], end))
  })
}

function iso(ms: number): string {
  return new Date(Date.UTC(2026, 0, 1) + ms).toISOString()
}
