import { setTimeout as delay } from 'node:timers/promises'

import {
  type Broker,
  type Delivery,
  type Lane,
  type OutgoingMessage,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'

import { confirmed } from './confirmed.ts'
import type { TaskOutcome } from './task-action.ts'

export interface MovePorts {
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'declare' | 'consume' | 'depth'>
  readonly now: () => Date
}

/** From where to where. Messages stay in their lanes. */
export interface Move {
  readonly queue: string
  readonly lanes: readonly Lane[]
  readonly to: string
}

const PREFETCH = 500
/** How long a delivery is waited for before it is asked whether there is still something to come. */
const LOOK_AGAIN_MS = 200

/**
 * Moves the messages that wait in lanes of a queue to another queue: as many as were ready when it began, and at most a
 * prefetch more. Each is taken off its queue when the broker has confirmed it in the other, so that nothing is lost
 * when this is killed in between; what was moved already then is in both queues, and may run twice.
 *
 * The message says that its task is in the other queue from now on: it returns there when it is retried, and the record shows it
 * there, because the message goes through the exchange that the monitor hears. What cannot be read is moved as it is, past
 * the monitor: the worker that receives it buries it.
 *
 * @returns a step for each batch, with one outcome for each message.
 * @throws RetryableError `BROKER_PUBLISH_FAILED`, `BROKER_UNREACHABLE`.
 */
export async function* moveMessages(ports: MovePorts, { queue, lanes, to }: Move): AsyncGenerator<TaskOutcome[]> {
  await ports.broker.declare(ports.broker.topology.work(to))
  for (const lane of lanes) yield* moveLane(ports, { queue, lane, to })
}

async function* moveLane(
  { broker, now }: MovePorts,
  { queue, lane, to }: { readonly queue: string; readonly lane: Lane; readonly to: string },
): AsyncGenerator<TaskOutcome[]> {
  const { topology } = broker
  const source = topology.workQueue(queue, lane)
  let left = (await broker.depth(source))?.messages ?? 0
  if (left === 0) return
  let arrived: Delivery[] = []
  const subscription = await broker.consume({
    queue: source,
    prefetch: Math.min(PREFETCH, left),
    onDelivery: (delivery) => void arrived.push(delivery),
    // They come again.
    onLost: () => {
      arrived = []
    },
  })
  try {
    while (left > 0) {
      const some = arrived
      arrived = []
      await Promise.all(some.map((delivery) => moveOne(delivery)))
      yield some.map(({ messageId = '' }) => ({ id: messageId, type: 'done' }))
      left -= some.length
      if (some.length > 0) continue
      if (!(await isEmpty())) await delay(LOOK_AGAIN_MS)
      else if (arrived.length === 0 && (await isOver())) return
    }
  } finally {
    // What has arrived meanwhile goes back.
    await subscription.close()
  }

  async function isEmpty(): Promise<boolean> {
    return ((await broker.depth(source))?.messages ?? 0) === 0
  }

  /** A queue is empty as soon as all was given out: what is still on its way is here when the consumer has ended. */
  async function isOver(): Promise<boolean> {
    await subscription.pause()
    if (arrived.length === 0 && (await isEmpty())) return true
    await subscription.resume()
    return false
  }

  async function moveOne(delivery: Delivery): Promise<void> {
    await confirmed(broker.publisher.publish(movedMessage(delivery)))
    delivery.ack()
  }

  function movedMessage({ body, type = '', messageId }: Delivery): OutgoingMessage {
    const { tasks, redeliver } = topology.exchanges
    const moved = moveTo(to, body, now().getTime())
    return {
      exchange: moved === undefined ? redeliver : tasks,
      routingKey: topology.taskKey(to, lane),
      body: moved ?? body,
      type: moved === undefined ? type : TASK_MESSAGE_TYPE,
      ...(messageId !== undefined && { messageId }),
    }
  }
}

/** The message with its new queue; `undefined` when it cannot be read, or written again. */
function moveTo(queue: string, body: Buffer, nowMs: number): Buffer | undefined {
  try {
    const message: TaskMessage = taskMessageCodec.decode(body)
    const { generation = 0, movedAt = 0 } = message
    // After its scheduling and any earlier move, also where clocks differ.
    return taskMessageCodec.encode({ ...message, queue, movedAt: Math.max(nowMs, generation + 1, movedAt + 1) })
  } catch {
    return undefined
  }
}
