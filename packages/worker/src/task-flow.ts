import {
  type Delivery,
  type Logger,
  NonRetryableError,
  serializeError,
  type TaskItem,
  type TaskMessage,
} from '@blockmill/core'
import type { Admission, Refusal } from './consume/intake.ts'
import { CANCEL_REASON } from './control/worker-control.ts'
import { createSuspectBuffer } from './consume/suspect-buffer.ts'
import { createUnitBuffer } from './consume/unit-buffer.ts'
import { createUnitTable } from './consume/unit-table.ts'
import { deliveryCount, isLive, type WorkUnit } from './consume/work-unit.ts'
import { createQueuesOnHold } from './consume/queues-on-hold.ts'
import { type Attempt, createAttempt } from './execute/attempt.ts'
import { failedOutcome, type Outcome } from './execute/outcome.ts'
import { createFlowLog } from './report/flow-log.ts'
import type { RateLimits } from './limit/rate-limits.ts'
import { isoTime, type SettlementPlan } from './settle/settlement-plan.ts'
import type { Settler } from './settle/settler.ts'
import type { WorkerMetrics } from './worker-metrics.ts'

/** The way of a message through the worker: from its delivery over buffer, slot and handler to its ack. */
export interface TaskFlow {
  /** Attempts whose handlers run. */
  readonly running: readonly Attempt[]
  /** Messages that wait for a slot. */
  readonly buffered: number
  onDelivery(delivery: Delivery): void
  /** Drops what waits and can no longer be acked: it will be delivered again. */
  onLost(): void
  /** Starts no more of a broker queue, whose consumer is about to stop: what waits and what arrives is held back. */
  hold(queue: string): void
  /** Gives back what is held of a broker queue, if it is still on hold. Its consumer must have stopped, or it comes again. */
  giveBackHeld(queue: string): void
  /** Starts what is held of a broker queue, and what arrives. */
  release(queue: string): void
  /** Gives back what has waited for a slot since before this time, in Unix milliseconds. */
  giveBackOlder(sinceMs: number): void
  /** Starts no more. What runs goes on, what arrives waits to be given back. */
  close(): void
  /** Gives back what was not started, and everything that still arrives. */
  giveBack(): void
  /** Aborts what runs, with this reason, and forgets it: unacked, it will be delivered again. */
  abandon(reason: Error): void
  /** Resolves when nothing is held: everything that was taken is finished, confirmed and acked, or given back. */
  idle(): Promise<void>
}

export interface TaskFlowOptions {
  readonly concurrency: number
  /** Default: nothing is limited. */
  readonly limits?: Pick<RateLimits, 'createBuffer'>
  readonly admit: (delivery: Delivery) => Admission
  /** True when the task was called off: it is settled without being run. */
  readonly isCancelled: (task: { readonly taskId: string; readonly generation: number }) => boolean
  readonly execute: (attempt: Attempt) => Promise<Outcome>
  readonly plan: (attempt: Attempt, outcome: Outcome) => SettlementPlan
  readonly settler: Settler
  readonly metrics: WorkerMetrics
  readonly logger: Logger
  readonly now: () => number
}

/**
 * Items of a chunk run like tasks of their own, side by side as slots get free; the message is acked when the last of them is
 * settled.
 */
export function createTaskFlow({
  concurrency,
  limits,
  admit,
  isCancelled,
  execute,
  plan,
  settler,
  metrics,
  logger,
  now,
}: TaskFlowOptions): TaskFlow {
  const log = createFlowLog(logger)
  const freeSlots = (): number => concurrency - running.length
  const buffer = createSuspectBuffer({
    buffer: limits?.createBuffer({ freeSlots, onOpen: fillSlots, onSetAside: setAside }) ?? createUnitBuffer(),
    isQuiet: () => unacked === 0,
    onSendBack: sendBack,
    onAlone: log.runsAlone,
    onReady: fillSlots,
  })
  const units = createUnitTable()
  // Not a set, which would keep what left it for long: see `createKeyTable`.
  const running: Attempt[] = []
  const onHold = createQueuesOnHold()
  /** Messages that are on their way to the delay exchange or the dead queue. */
  let forwarding = 0
  /** Attempts that were started and messages that were sent back, of which the broker has not confirmed all that they cause. */
  let unacked = 0
  let phase: 'open' | 'closed' | 'given back' = 'open'
  let abandoned = false
  let idleWaiters: (() => void)[] = []

  function onDelivery(delivery: Delivery): void {
    if (phase === 'given back') {
      delivery.requeue()
      return
    }
    const admission = admit(delivery)
    switch (admission.type) {
      case 'run':
        takeIn(admission.unit, delivery, admission.refused)
        break
      case 'early':
        forwarding += 1
        settler.delay(delivery, admission.message, admission.remainingMs, () => forwarded(delivery))
        break
      case 'unknown':
        forwarding += 1
        settler.defer(delivery, admission, () => forwarded(delivery))
        break
      case 'dead':
        log.buried(delivery, admission)
        forwarding += 1
        settler.bury(delivery, admission, () => forwarded(delivery))
        break
    }
  }

  function takeIn(unit: WorkUnit, delivery: Delivery, refused: Refusal | undefined): void {
    if (delivery.redelivered && units.hasFinished(unit.key)) {
      delivery.ack()
      return
    }
    const held = units.find(unit.key)
    if (held !== undefined) {
      held.deliveries.push(delivery)
      return
    }
    units.add(unit)
    if (refused !== undefined) {
      const burial = { reason: 'invalid_args', error: refused.error, part: refused.message } as const
      log.buried(delivery, burial)
      unit.unsettled += 1
      settler.bury(delivery, burial, () => partSettled(unit))
    }
    if (onHold.takes(delivery.queue, unit)) return
    buffer.push(unit)
    fillSlots()
  }

  function fillSlots(): void {
    if (phase !== 'open') return
    while (running.length < concurrency) {
      const next = buffer.take()
      if (next === undefined) return
      start(next.unit, next.item)
    }
  }

  function start(unit: WorkUnit, item: TaskItem): void {
    const attempt = createAttempt(unit, item, now())
    unacked += 1
    const { definition, message } = unit
    if (isCancelled({ taskId: item.id, generation: message.generation ?? 0 })) {
      settle(attempt, { type: 'cancelled', reason: CANCEL_REASON }, { ran: false })
      return
    }
    if (message.expiresAt !== undefined && Date.parse(message.expiresAt) <= attempt.startedAtMs) {
      const error = new NonRetryableError('TASK_EXPIRED', `The task was to be started before ${message.expiresAt}.`)
      settle(attempt, { type: 'expired', error: serializeError(error) }, { ran: false })
      return
    }
    running.push(attempt)
    metrics.started(definition, message.queue, attempt.startedAtMs - unit.dueAtMs)
    void run(attempt)
  }

  async function run(attempt: Attempt): Promise<void> {
    const outcome = await execute(attempt)
    if (abandoned) return
    running.splice(running.indexOf(attempt), 1)
    settle(attempt, outcome)
    fillSlots()
    checkIdle()
  }

  function settle(attempt: Attempt, outcome: Outcome, { ran = true } = {}): void {
    const { unit } = attempt
    const settled = plan(attempt, outcome)
    if (settled.followUp !== undefined && !isLive(unit)) {
      // The broker delivers this attempt again; to carry it on from here as well would make two tasks out of one.
      leave(unit)
      unacked -= 1
      return
    }
    const onConfirmed = (): void => {
      partSettled(unit)
      oneAcked()
    }
    try {
      settler.settle(settled, onConfirmed)
    } catch (error) {
      // The result was changed by code that still holds it, after it was found to be JSON.
      settler.settle(plan(attempt, failedOutcome(error)), onConfirmed)
    }
    metrics.ended(
      unit.definition,
      unit.message.queue,
      settled.event.type,
      ran ? now() - attempt.startedAtMs : undefined,
    )
    if (settled.event.type === 'succeeded') {
      metrics.completed(unit.definition, unit.message.queue, unit.message.cause, now() - unit.scheduledAtMs)
    }
    log.ended(settled.event)
  }

  function partSettled(unit: WorkUnit): void {
    unit.unsettled -= 1
    if (unit.unsettled > 0 || unit.left) return
    for (const delivery of unit.deliveries) delivery.ack()
    units.finish(unit)
    checkIdle()
  }

  function leave(unit: WorkUnit): void {
    unit.left = true
    units.remove(unit)
  }

  function forwarded(delivery: Delivery): void {
    delivery.ack()
    forwarding -= 1
    checkIdle()
  }

  function oneAcked(): void {
    unacked -= 1
    if (unacked === 0) fillSlots()
  }

  function giveBack(unit: WorkUnit): void {
    // To be given back counts like a crash on RabbitMQ before 4. Once is harmless; after that it is sent back as a new message.
    if (isWhole(unit) && deliveryCount(unit) === 0) {
      for (const delivery of unit.deliveries) delivery.requeue()
      leave(unit)
    } else sendBack(unit)
  }

  function sendBack(unit: WorkUnit): void {
    if (!isLive(unit)) {
      leave(unit)
      return
    }
    unacked += 1
    sendOn(unit, (message, onConfirmed) => {
      settler.sendBack(message, () => {
        onConfirmed()
        oneAcked()
      })
    })
  }

  function setAside(unit: WorkUnit, waitMs: number): void {
    if (!isLive(unit)) {
      leave(unit)
      return
    }
    sendOn(unit, (message, onConfirmed) => {
      settler.setAside({ ...message, notBefore: isoTime(now() + waitMs) }, waitMs, onConfirmed)
    })
  }

  /** Lets what was not started of a unit go on as a new message. */
  function sendOn(unit: WorkUnit, send: (message: TaskMessage, onConfirmed: () => void) => void): void {
    const items = unit.items.slice(unit.started)
    const message = { ...unit.message, items }
    if (!isWhole(unit)) {
      // Some of its items have run or run now, or were refused: the rest goes as a message of its own.
      unit.unsettled -= items.length - 1
      send(message, () => partSettled(unit))
      return
    }
    // Forgotten at once: when it comes back, it must neither join this delivery nor count as finished with it.
    units.remove(unit)
    forwarding += 1
    send(message, () => {
      for (const delivery of unit.deliveries) delivery.ack()
      forwarding -= 1
      checkIdle()
    })
  }

  function isIdle(): boolean {
    return units.size === 0 && running.length === 0 && forwarding === 0
  }

  function checkIdle(): void {
    if (idleWaiters.length === 0 || !isIdle()) return
    const waiters = idleWaiters
    idleWaiters = []
    for (const resolve of waiters) resolve()
  }

  return {
    running,
    get buffered() {
      return onHold.size + buffer.size
    },
    onDelivery,
    onLost() {
      const isLost = (unit: WorkUnit): boolean => !isLive(unit)
      for (const unit of [...buffer.remove(isLost), ...onHold.remove(isLost)]) leave(unit)
      checkIdle()
    },
    hold(queue) {
      if (onHold.add(queue)) {
        for (const unit of buffer.remove(({ deliveries }) => deliveries[0]?.queue === queue)) onHold.takes(queue, unit)
      }
    },
    giveBackHeld(queue) {
      for (const unit of onHold.take(queue)) giveBack(unit)
      checkIdle()
    },
    release(queue) {
      for (const unit of onHold.end(queue)) buffer.push(unit)
      fillSlots()
    },
    giveBackOlder(sinceMs) {
      if (phase !== 'open') return
      for (const unit of buffer.remove(({ arrivedAtMs, started }) => started === 0 && arrivedAtMs < sinceMs))
        giveBack(unit)
      checkIdle()
    },
    close() {
      phase = 'closed'
    },
    giveBack() {
      phase = 'given back'
      for (const unit of [...buffer.remove(() => true), ...onHold.remove(() => true)]) giveBack(unit)
      checkIdle()
    },
    abandon(reason) {
      abandoned = true
      for (const attempt of running) attempt.abort.abort(reason)
      running.length = 0
    },
    async idle() {
      if (isIdle()) return
      const { promise, resolve } = Promise.withResolvers<void>()
      idleWaiters.push(resolve)
      await promise
    },
  }
}

/** True when nothing of the message was started or refused: it can go back as it came. */
function isWhole({ started, items, message }: WorkUnit): boolean {
  return started === 0 && items.length === message.items.length
}
