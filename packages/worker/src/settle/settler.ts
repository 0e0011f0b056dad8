import {
  type Broker,
  deadLetter,
  type DeadReason,
  type Delivery,
  exactStep,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { UNKNOWN_TASK_HEADER } from '../consume/intake.ts'
import type { ConfirmedPublish } from './confirmed-publish.ts'
import type { EventBatcher } from './event-batcher.ts'
import type { SettlementPlan } from './settlement-plan.ts'

/** Carries out what was decided about a message. Each method calls `onConfirmed` once the broker has everything it caused. */
export interface Settler {
  /** Publishes the event of an attempt and what follows it. */
  settle(plan: SettlementPlan, onConfirmed: () => void): void
  /** Sends a message that came before its time round again, for the rest of its delay. */
  delay(delivery: Delivery, message: TaskMessage, remainingMs: number, onConfirmed: () => void): void
  /** Lets a message as it came wait for a worker that knows its task. */
  defer(
    delivery: Delivery,
    wait: { message: TaskMessage; waits: number; waitMs: number },
    onConfirmed: () => void,
  ): void
  /** Sends a task that is over its rate limit round, to come back after the wait. No attempt is used and nothing is recorded. */
  setAside(message: TaskMessage, waitMs: number, onConfirmed: () => void): void
  /** Puts a message that cannot be tried on the dead queue: as it came, or the part of it that is given. */
  bury(
    delivery: Delivery,
    why: { reason: DeadReason; error: string; part?: TaskMessage },
    onConfirmed: () => void,
  ): void
  /** Puts a message, or what is left of it, back on its queue as a new one: the broker counts its deliveries from zero. */
  sendBack(message: TaskMessage, onConfirmed: () => void): void
}

export interface SettlerOptions {
  readonly worker: string
  readonly broker: Pick<Broker, 'topology' | 'declare'>
  readonly publish: ConfirmedPublish
  readonly events: EventBatcher
  readonly ladder: readonly number[]
}

/**
 * The one place where messages are settled, in the order that nothing can be lost in: publish what follows, wait for the
 * broker's confirms, and only then say that the delivery may be acked. The other way round, a crash in between loses a task.
 */
export function createSettler({ worker, broker, publish, events, ladder }: SettlerOptions): Settler {
  const { topology } = broker

  /** Rejections mean that the worker stops: the delivery stays unacked and comes again. */
  const confirm = (published: Promise<void>, onConfirmed: () => void): void =>
    void published.then(onConfirmed, () => undefined)

  const publishDelayed = (
    message: TaskMessage,
    stepMs: number,
    body: Buffer,
    headers?: Readonly<Record<string, unknown>>,
  ): Promise<void> =>
    publish(
      {
        exchange: topology.exchanges.delay,
        // Made anew from the task: the key that it came with is that of its last way through the broker.
        routingKey: topology.delayKey(stepMs, message.queue, message.lane),
        body,
        type: TASK_MESSAGE_TYPE,
        messageId: messageId(message),
        ...(headers !== undefined && { headers }),
        // Without a queue behind it the message would vanish: this exchange has no binding that takes everything.
        mandatory: true,
      },
      () => broker.declare(topology.delay(stepMs)),
    )

  return {
    settle({ event, followUp }, onConfirmed) {
      if (followUp === undefined) {
        events.add(event, onConfirmed)
        return
      }
      let missing = 2
      const countDown = (): void => {
        missing -= 1
        if (missing === 0) onConfirmed()
      }
      const { message, stepMs } = followUp
      confirm(publishDelayed(message, stepMs, taskMessageCodec.encode(message)), countDown)
      events.add(event, countDown)
    },

    delay(delivery, message, remainingMs, onConfirmed) {
      confirm(publishDelayed(message, exactStep(ladder, remainingMs), delivery.body), onConfirmed)
    },

    defer({ body }, { message, waits, waitMs }, onConfirmed) {
      const stepMs = exactStep(ladder, waitMs)
      confirm(publishDelayed(message, stepMs, body, { [UNKNOWN_TASK_HEADER]: waits }), onConfirmed)
    },

    setAside(message, waitMs, onConfirmed) {
      confirm(publishDelayed(message, exactStep(ladder, waitMs), taskMessageCodec.encode(message)), onConfirmed)
    },

    bury(delivery, { reason, error, part }, onConfirmed) {
      const body = part === undefined ? delivery.body : taskMessageCodec.encode(part)
      const published = publish(deadLetter(topology, delivery, { reason, error, worker, body }))
      confirm(published, onConfirmed)
    },

    sendBack(message, onConfirmed) {
      const published = publish({
        // Through the exchange that the monitor does not listen to: these tasks are on record already.
        exchange: topology.exchanges.redeliver,
        routingKey: topology.taskKey(message.queue, message.lane),
        body: taskMessageCodec.encode(message),
        type: TASK_MESSAGE_TYPE,
        messageId: messageId(message),
      })
      confirm(published, onConfirmed)
    },
  }
}

function messageId({ items }: TaskMessage): string {
  return items[0]?.id ?? ''
}
