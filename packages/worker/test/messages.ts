import {
  createTaskRegistry,
  type Delivery,
  type OutgoingMessage,
  TASK_MESSAGE_TYPE,
  taskId,
  type TaskItem,
  type TaskMessage,
  taskMessageCodec,
  type RegisteredRangeTask,
  type RegisteredTask,
  type TaskRegistry,
  type Topology,
} from '@blockmill/core'
import { type AnyDefinition, createWorkUnit, type WorkUnit } from '../src/consume/work-unit.ts'

/** The item of a block. */
export function item(number: number, args: TaskItem['args'] = {}): TaskItem {
  return { id: taskId({ chain: 'dev', task: 'noop', args: {}, block: { number } }), block: { number }, args }
}

/** A task message that is sound, with what a test wants otherwise. */
export function message(changes: Partial<TaskMessage> = {}): TaskMessage {
  return {
    v: 1,
    chain: 'dev',
    task: 'noop',
    queue: 'default',
    lane: 'normal',
    priority: 10,
    attempt: 1,
    postpones: 0,
    maxAttempts: 3,
    scheduledAt: '2026-01-01T00:00:00.000Z',
    cause: 'live',
    items: [item(1)],
    ...changes,
  }
}

/** The message on its way to the tasks exchange. */
export function outgoing(topology: Topology, task: TaskMessage): OutgoingMessage {
  return {
    exchange: topology.exchanges.tasks,
    routingKey: topology.taskKey(task.queue, task.lane),
    body: taskMessageCodec.encode(task),
    type: TASK_MESSAGE_TYPE,
    messageId: task.items[0]?.id ?? '',
  }
}

/** A delivery that keeps how it was settled. */
export function delivery(
  body: Buffer | TaskMessage,
  changes: Partial<Delivery> = {},
): Delivery & { settled: string[] } {
  const settled: string[] = []
  return {
    body: Buffer.isBuffer(body) ? body : taskMessageCodec.encode(body),
    type: TASK_MESSAGE_TYPE,
    messageId: undefined,
    exchange: 'blockmill.tasks',
    routingKey: 'task.default.normal',
    headers: {},
    redelivered: false,
    deliveryCount: 0,
    queue: 'blockmill.work.default.normal',
    isLive: () => true,
    ack: () => settled.push('ack'),
    ackUpTo: () => settled.push('ackUpTo'),
    requeue: () => settled.push('requeue'),
    reject: () => settled.push('reject'),
    ...changes,
    settled,
  }
}

let sequence = 0

/** A unit of work for a definition. */
export function unit(definition: AnyDefinition, changes: Partial<TaskMessage> = {}): WorkUnit {
  const task = message({ task: definition.name, ...changes })
  sequence += 1
  return createWorkUnit(delivery(task), task, definition, { arrivedAtMs: 0, sequence })
}

export function registry(...definitions: readonly AnyDefinition[]): TaskRegistry {
  const found = definitions.map((definition) => ({ definition, file: 'test' }) as RegisteredTask | RegisteredRangeTask)
  return createTaskRegistry(found)
}
