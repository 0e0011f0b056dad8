import {
  type ExecutionDefinition,
  type Broker,
  type Control,
  type ControlReply,
  type Logger,
  lostMessage,
  type RecordedTask,
  RetryableError,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
  unlessAborted,
} from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { pause } from '../wake-up.ts'
import type { OverdueQuestion, OverdueStore, QueueLane } from './overdue-store.ts'
import type { QueueSurvey } from './queue-survey.ts'

/** A worker that is silent for this long is lost, and a record that shows a worker that answers so is behind. */
const SILENT_MS = 30_000
/** The broker notices within about a minute that a worker is gone, and delivers again what it held: until then nothing is lost. */
const MAY_HOLD_MS = 120_000
/** After so many passes in a row, a record that knows nothing of a worker that answers is more than a moment behind. */
const PASSES_BEHIND = 3
/** Below every id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

export interface ReconcilerOptions {
  readonly chain: string
  readonly definitions: readonly Pick<ExecutionDefinition, 'name'>[]
  readonly broker: Pick<Broker, 'publisher' | 'topology'>
  readonly survey: QueueSurvey
  readonly control: Pick<Control, 'stats'>
  readonly store: OverdueStore
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'reconciled'>
  /** How long a task must have waited in vain. */
  readonly afterMs: number
  /** Between two passes. */
  readonly intervalMs: number
  /** Most tasks that are published in one pass. */
  readonly batch: number
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Publishes tasks again whose messages are gone: from a queue that was purged, say. */
export interface Reconciler {
  /** Makes a pass at each interval, until `stopping` aborts. What is under way is given up when `abandoned` does. */
  run(stopping: AbortSignal, abandoned: AbortSignal): Promise<void>
  /** @returns how many tasks were published again. */
  pass(signal: AbortSignal): Promise<number>
}

type WorkerStats = Extract<ControlReply, { type: 'worker-stats' }>

/**
 * Waiting: for the next interval. Passing: looks for tasks that should have gone on long ago, and publishes those again whose
 * message can be nowhere. That is so when
 *
 * - nothing waits for the monitor, so the record is up to date;
 * - their lane is not paused, and no message is ready in it, neither before nor after the workers were asked;
 * - every worker of their queue that was seen within two minutes has answered or said good-bye, holds nothing that waits for
 *   a slot, and does not run them: the broker says how many messages are ready, and not how many are with workers;
 * - no more messages are in the delay queues than the record knows of: see `QueueSurvey.countDelayed`.
 *
 * Anything in doubt is left for a later pass. A task may still run twice, which tasks must bear; its record shows one success.
 * What was published again is left alone for as long as it had to wait before. Stopped: by its signals.
 *
 * Messages go to the redeliver exchange, where the monitor does not listen: the record changes when they run.
 */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  return new LostMessageReconciler(options)
}

class LostMessageReconciler implements Reconciler {
  readonly #options: ReconcilerOptions
  readonly #names: ReadonlySet<string>
  /** When tasks were published again, in Unix milliseconds. */
  readonly #published = new Map<string, number>()
  /** Reasons to leave a task alone that were logged. */
  readonly #told = new Set<string>()
  #after = FIRST_ID
  /** Passes in a row in which a worker answered of which the record had not heard lately. */
  #passesBehind = 0

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#names = new Set(options.definitions.map(({ name }) => name))
  }

  async run(stopping: AbortSignal, abandoned: AbortSignal): Promise<void> {
    const { intervalMs, logger } = this.#options
    while (!stopping.aborted) {
      await pause(intervalMs, stopping)
      if (stopping.aborted) return
      try {
        await this.pass(abandoned)
      } catch (error) {
        if (abandoned.aborted) return
        const level = error instanceof RetryableError ? 'warn' : 'error'
        logger[level](
          { ...failureFields(error), retryInMs: intervalMs },
          'tasks that wait in vain could not be looked for; trying again',
        )
      }
    }
  }

  async pass(signal: AbortSignal): Promise<number> {
    const { survey, store, control, now, afterMs, batch } = this.#options
    const startedAt = now()
    this.#forgetPublished(startedAt)
    const question = {
      before: new Date(startedAt - afterMs),
      silentSince: new Date(startedAt - Math.max(SILENT_MS, afterMs)),
    }
    const within = <T>(work: Promise<T>): Promise<T> => unlessAborted(work, signal)

    const overdue = await within(store.lanes({ ...question, answering: [] }))
    if (overdue.length === 0) return 0
    if (!(await within(survey.isRecordUpToDate()))) return 0
    const silentAtFirst = await within(survey.silent(overdue))
    if (silentAtFirst.length === 0) return 0

    const delayed = await within(survey.countDelayed())
    const workers = (await within(control.stats())).filter((reply) => reply.type === 'worker-stats')
    const idle = await within(this.#withoutWork(silentAtFirst, workers))
    const lanes = await within(survey.silent(idle))
    if (lanes.length === 0) return 0
    const { messages, waitFor } = delayed
    if (messages > 0 && messages > (await within(store.countWaiting(waitFor)))) return 0
    // Last of all, what the record says now: the workers have had a second to settle what they have finished.
    if (!(await within(survey.isRecordUpToDate()))) return 0
    const answering = workers.map(({ from }) => from)
    return this.#publishSome({ ...question, answering }, lanes, workers, batch, signal)
  }

  /** Lanes of which no worker holds anything, and every worker that lives has said so. */
  async #withoutWork(lanes: readonly QueueLane[], workers: readonly WorkerStats[]): Promise<readonly QueueLane[]> {
    const { store, now } = this.#options
    const recorded = await store.workersSeenSince(new Date(now() - MAY_HOLD_MS))
    const silentSince = now() - SILENT_MS
    const seen = new Set(
      recorded.filter(({ lastSeenAt }) => lastSeenAt.getTime() >= silentSince).map(({ name }) => name),
    )
    const answered = new Set(workers.map(({ from }) => from))
    if (this.#isRecordBehind([...answered].filter((name) => !seen.has(name)))) return []
    const busy = [
      ...recorded.filter(({ name }) => !answered.has(name)),
      ...workers.filter(({ buffered }) => buffered > 0),
    ].flatMap(({ queues }) => queues)
    return lanes.filter(({ queue }) => !busy.includes(queue))
  }

  /** The record does not know yet of workers that are there: it lags. When that lasts, somebody must look. */
  #isRecordBehind(unheard: readonly string[]): boolean {
    this.#passesBehind = unheard.length === 0 ? 0 : this.#passesBehind + 1
    if (this.#passesBehind === PASSES_BEHIND) {
      this.#options.logger.warn(
        { workers: unheard },
        'workers answer that the record has not heard of for half a minute: while their clocks are wrong, or no monitor records, tasks that wait in vain are left alone',
      )
    }
    return unheard.length > 0
  }

  async #publishSome(
    question: OverdueQuestion,
    lanes: readonly QueueLane[],
    workers: readonly WorkerStats[],
    limit: number,
    signal: AbortSignal,
  ): Promise<number> {
    const tasks = await unlessAborted(
      this.#options.store.tasks({ ...question, lanes, after: this.#after, limit }),
      signal,
    )
    // From the first again, once the last was reached.
    this.#after = tasks.length < limit ? FIRST_ID : (tasks.at(-1)?.id ?? FIRST_ID)
    const running = new Set(workers.flatMap((worker) => worker.running.map(({ taskId }) => taskId)))
    const messages = tasks
      .filter(({ id }) => !running.has(id) && !this.#published.has(id))
      .map((task) => this.#messageOf(task))
      .filter((message) => message !== undefined)
    await unlessAborted(Promise.all(messages.map((message) => this.#publish(message))), signal)
    if (messages.length > 0) {
      this.#options.logger.warn({ tasks: messages.length, lanes }, 'tasks whose messages were gone are published again')
    }
    return messages.length
  }

  #messageOf(task: RecordedTask): TaskMessage | undefined {
    if (!this.#names.has(task.name)) {
      this.#tell(`${task.name} unknown`, task, 'tasks whose definition is gone wait in vain: they are left alone')
      return undefined
    }
    const message = lostMessage(task)
    if (message === undefined) {
      this.#tell(
        `${task.name} lacking`,
        task,
        'tasks of which the record lacks the schedule wait in vain: they are left alone',
      )
    }
    return message
  }

  #tell(reason: string, { id, name }: RecordedTask, text: string): void {
    if (this.#told.has(reason)) return
    this.#told.add(reason)
    this.#options.logger.warn({ task: name, id }, text)
  }

  async #publish(message: TaskMessage): Promise<void> {
    const { broker, metrics, now } = this.#options
    const { publisher, topology } = broker
    const [item] = message.items
    await publisher.publish({
      exchange: topology.exchanges.redeliver,
      routingKey: topology.taskKey(message.queue, message.lane),
      body: taskMessageCodec.encode(message),
      type: TASK_MESSAGE_TYPE,
      ...(item !== undefined && { messageId: item.id }),
    })
    if (item !== undefined) this.#published.set(item.id, now())
    metrics.reconciled(message)
  }

  #forgetPublished(nowMs: number): void {
    for (const [id, atMs] of this.#published) {
      if (nowMs - atMs >= this.#options.afterMs) this.#published.delete(id)
    }
  }
}
