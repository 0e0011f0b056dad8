import {
  type Broker,
  Cancel,
  type ControlMessage,
  controlMessage,
  type ControlReply,
  type Lane,
  LANES,
  type LaneState,
  type Listener,
  listenToControl,
  type Logger,
  publishControl,
  publishReply,
} from '@blockmill/core'
import type { Attempt } from '../execute/attempt.ts'
import type { HeartbeatMessage } from '../report/heartbeat.ts'
import type { CancelledTasks } from './cancelled-tasks.ts'
import type { LaneStates } from './lane-states.ts'

/** Why a task ended that was called off: on record as the reason of its cancellation. */
export const CANCEL_REASON = 'cancelled on request'

/** Hears orders of operators and what monitors remember, and carries them out. */
export interface WorkerControl {
  /**
   * Listens, asks what is paused and cancelled, and waits a little for the first answer. A monitor that is down does not
   * keep a worker from working.
   */
  start(): Promise<void>
  /** Idempotent, also during `start`. */
  stop(): Promise<void>
}

export interface WorkerControlOptions {
  readonly worker: string
  /** Longest wait for the first answer of a monitor. */
  readonly syncWaitMs: number
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'listen'>
  readonly logger: Logger
  readonly lanes: LaneStates
  readonly cancelled: CancelledTasks
  readonly running: readonly Attempt[]
  readonly buffered: () => number
  readonly snapshot: () => HeartbeatMessage
  /** Resolves when the lane is consumed, or no longer, as `lanes` says. */
  readonly onLaneChanged: (queue: string, lane: Lane) => Promise<void>
  /** This worker is asked to stop. */
  readonly onShutdown: (by: string) => void
  readonly now: () => number
}

export function createWorkerControl({
  worker,
  syncWaitMs,
  broker,
  logger,
  lanes,
  cancelled,
  running,
  buffered,
  snapshot,
  onLaneChanged,
  onShutdown,
  now,
}: WorkerControlOptions): WorkerControl {
  const synced = Promise.withResolvers<void>()
  let starting: Promise<void> | undefined
  let isStopped = false
  let listener: Listener | undefined
  let timer: NodeJS.Timeout | undefined

  async function onMessage(message: ControlMessage): Promise<void> {
    switch (message.type) {
      case 'cancel':
        await answer(message, { type: 'worker', ...from(message), running: cancel(message) })
        break
      case 'pause':
      case 'resume':
        await learn(laneStates(message))
        await answer(message, { type: 'worker', ...from(message) })
        break
      case 'state':
        for (const one of message.cancelled) cancelled.add(one)
        abortCancelled()
        await learn(message.lanes)
        synced.resolve()
        break
      case 'ping':
        await answer(message, { type: 'worker', ...from(message) })
        break
      case 'stats':
        await answer(message, stats(message))
        break
      case 'shutdown':
        if (message.worker !== worker) break
        await answer(message, { type: 'worker', ...from(message) })
        onShutdown(message.by)
        break
      case 'sync':
        // For monitors.
        break
    }
  }

  function cancel({ taskIds, sentAt, by }: ControlMessage & { type: 'cancel' }): number {
    for (const taskId of taskIds) cancelled.add({ taskId, cancelledAt: sentAt })
    const aborted = abortCancelled()
    if (aborted > 0) logger.info({ by, tasks: aborted }, 'running tasks are cancelled')
    return aborted
  }

  function abortCancelled(): number {
    const meant = running.filter(
      ({ unit, item, abort }) =>
        !abort.signal.aborted && cancelled.has({ taskId: item.id, generation: unit.message.generation ?? 0 }),
    )
    for (const { abort } of meant) abort.abort(new Cancel(CANCEL_REASON))
    return meant.length
  }

  async function learn(states: readonly LaneState[]): Promise<void> {
    const changed = states.filter((state) => lanes.learn(state))
    for (const { queue, lane, paused, changedBy } of changed) {
      logger.info({ queue, lane, by: changedBy }, paused ? 'queue is paused' : 'queue is resumed')
    }
    await Promise.all(changed.map(({ queue, lane }) => onLaneChanged(queue, lane)))
  }

  function stats(message: ControlMessage): ControlReply {
    const { startedAt, host, pid, queues, concurrency, running: tasks, rssBytes, eventLoopLagMs } = snapshot()
    return {
      type: 'worker-stats',
      ...from(message),
      startedAt,
      host,
      pid,
      queues,
      concurrency,
      running: tasks,
      rssBytes,
      eventLoopLagMs,
      buffered: buffered(),
      paused: lanes.paused(),
    }
  }

  function from({ id }: ControlMessage) {
    return { v: 1, id, from: worker } as const
  }

  function answer(message: ControlMessage, reply: ControlReply): Promise<void> {
    return publishReply(broker, message, reply)
  }

  function sync(): void {
    const question = controlMessage({ type: 'sync' }, { by: worker, nowMs: now() })
    publishControl(broker, question).catch((error: unknown) => {
      // What the monitors remember is repeated every half minute.
      logger.debug({ err: error }, 'the broker did not take the question for pauses and cancelled tasks')
    })
  }

  async function start(): Promise<void> {
    const listening = await listenToControl(broker, {
      logger,
      // After a broken connection too: what was ordered meanwhile was missed.
      onListening: sync,
      onMessage(message) {
        onMessage(message).catch((error: unknown) => {
          logger.warn({ err: error, type: message.type }, 'a control message could not be carried out or answered')
        })
      },
    })
    if (isStopped) {
      await listening.close()
      return
    }
    listener = listening
    if (syncWaitMs === 0) return
    timer = setTimeout(synced.resolve, syncWaitMs)
    await synced.promise
    clearTimeout(timer)
  }

  return {
    start: () => (starting ??= start()),
    async stop() {
      isStopped = true
      synced.resolve()
      // A listener that waits for the broker ends when the broker is back, or the client stops: nobody need wait for that.
      await listener?.close()
    },
  }
}

function laneStates({
  type,
  queue,
  lane,
  sentAt,
  by,
}: ControlMessage & { type: 'pause' | 'resume' }): readonly LaneState[] {
  return (lane === undefined ? LANES : [lane]).map((each) => ({
    queue,
    lane: each,
    paused: type === 'pause',
    changedAt: sentAt,
    changedBy: by,
  }))
}
