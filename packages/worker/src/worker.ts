import {
  type Broker,
  type AnyChainAccess,
  createClient,
  createTaskPublish,
  type Database,
  delayLadder,
  type Logger,
  type Metrics,
  RetryableError,
  rowsMessage,
  type TaskRegistry,
  within,
} from '@blockmill/core'
import { createIntake } from './consume/intake.ts'
import { createLaneConsumers } from './consume/lane-consumers.ts'
import { LONGEST_WAIT_FOR_SLOT_MS } from './consume/work-unit.ts'
import { cancellable } from './control/cancellable.ts'
import { createCancelledTasks } from './control/cancelled-tasks.ts'
import { createLaneStates } from './control/lane-states.ts'
import { createWorkerControl } from './control/worker-control.ts'
import type { Attempt } from './execute/attempt.ts'
import { createExecutor } from './execute/executor.ts'
import { assertNoneIsolated, createIsolatedExecution, type IsolationSources } from './isolate/isolation.ts'
import { createRateLimits } from './limit/rate-limits.ts'
import { createHeartbeat } from './report/heartbeat.ts'
import type { RangePorts } from './rows/run-range.ts'
import { createConfirmedPublish } from './settle/confirmed-publish.ts'
import { createEventBatcher } from './settle/event-batcher.ts'
import { eventFacts, planSettlement } from './settle/settlement-plan.ts'
import { createSettler } from './settle/settler.ts'
import { createTaskFlow, type TaskFlow } from './task-flow.ts'
import { type WorkerConfig, workerConfig } from './worker-config.ts'
import { createWorkerMetrics } from './worker-metrics.ts'

/** Executes tasks. `start` and `stop` may be called in any order and any number of times; once stopped, it stays stopped. */
export interface Worker {
  readonly config: WorkerConfig
  /**
   * Declares and consumes its queues. Waits for the broker, which must have been started, and a little for a monitor to say
   * what is paused and cancelled.
   */
  start(): Promise<void>
  /**
   * Takes no more messages, gives back what was not started, lets handlers finish within the grace, and publishes and acks
   * what they did. Handlers that run on are aborted, and their messages left to be delivered again.
   */
  stop(): Promise<void>
  /** Resolves when the worker holds nothing: all that it was given is finished and acked. It goes on consuming. */
  drain(): Promise<void>
  /** Sentences that say why no task is taken now; none while the worker consumes and the broker can be reached. */
  notReadyBecause(): readonly string[]
}

export interface WorkerOptions {
  readonly config?: Partial<WorkerConfig>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly broker: Broker
  readonly registry: TaskRegistry
  /** The chain that task code gets. Without, tasks of every chain are run, and fail when they read `chain`. */
  readonly chain?: AnyChainAccess | undefined
  /** What threads and processes of isolated tasks are made from. Only needed when there are such tasks. */
  readonly isolation?: IsolationSources | undefined
  /** Where handlers get unique tasks from. Without, they cannot enqueue any. Handlers in threads and processes never can. */
  readonly database?: Pick<Database, 'query' | 'address'> | undefined
  /** Called when an operator asks this worker to stop. Default: it stops by itself. */
  readonly onShutdown?: (by: string) => void
  /** Unix milliseconds; default the system's clock. */
  readonly now?: () => number
  /** A number in [0, 1), for jitter; default `Math.random`. */
  readonly random?: () => number
}

/** Time for the last events and the last heartbeat when the grace is over. */
const FAREWELL_MS = 2_000
/** The broker answers within this time that it delivers no more, or it is taken for gone. */
const ANSWER_MS = 2_000
/** For the last events, and for what is closed, when the broker is taken for gone: it may still read. */
const SILENT_FAREWELL_MS = 500

/** How often the worker looks for messages that have waited too long for a slot. */
const WAIT_CHECK_MS = 30_000

/** More than this many unconfirmed events mean that the broker is slow or away: progress is then not reported. */
const PROGRESS_BACKLOG = 1_000

/**
 * Makes a worker. It is in one of four modes, which only `start` and `stop` change:
 *
 * - **new**: nothing is consumed. `start` makes it running.
 * - **running**: messages arrive, wait in the buffer, and take slots as these get free. `stop` makes it stopping.
 * - **stopping**: what arrives late is given back, what runs may finish. Ends when nothing is held, or with the grace.
 * - **stopped**: whatever a handler still does has no effect on the broker.
 *
 * @throws ConfigurationError `CONFIG_INVALID` with every setting that is out of range, or when there are isolated tasks but no
 * `isolation`.
 */
export function createWorker({
  config: given = {},
  logger,
  metrics: register,
  broker,
  registry,
  chain,
  isolation: sources,
  database,
  onShutdown,
  now = Date.now,
  random = Math.random,
}: WorkerOptions): Worker {
  const config = workerConfig(given)
  if (sources === undefined) assertNoneIsolated(registry)
  const ladder = delayLadder(config.smallestDelayMs)
  const rules = { ...config, ladder, random }
  const stopped = new AbortController()
  const publish = createConfirmedPublish({ publisher: broker.publisher, logger, signal: stopped.signal })
  const events = createEventBatcher({ worker: config.name, topology: broker.topology, publish, now })
  const metrics = createWorkerMetrics(register, {
    slots: config.concurrency,
    slotsUsed: () => flow.running.length,
    buffered: () => flow.buffered,
    children: (kind) => isolation?.sizeOf(kind) ?? 0,
  })
  const onProgress = (attempt: Attempt, done: number, total: number | undefined): void => {
    if (events.pending > PROGRESS_BACKLOG) return
    events.add({ type: 'progress', ...eventFacts(attempt, now()), done, ...(total !== undefined && { total }) })
  }
  const onStuck = ({ unit, item }: Attempt): void => {
    metrics.stuck()
    logger.error({ task: unit.message.task, taskId: item.id }, 'handler is stuck: it ignores its aborted signal')
  }
  const lanes = createLaneStates(config.queues)
  const cancelled = createCancelledTasks({ now })
  const { maxAttempts } = config.retry
  const limits = createRateLimits({
    registry,
    queueLimits: config.rateLimits,
    broker,
    logger,
    random,
    onHeldBack: ({ definition }) => metrics.heldBack(definition),
  })
  const range: RangePorts = {
    async publishPart({ unit: { definition } }, part) {
      // The queue is there since the start, unless somebody has deleted it.
      await publish(rowsMessage(broker.topology, part), () => broker.declare(broker.topology.base()))
      metrics.partPublished(definition, part.rows, part.data.length)
    },
    throttle: ({ unit: { definition }, abort }) => limits.throttle(definition.name, abort.signal),
  }
  const isolation =
    sources &&
    createIsolatedExecution({
      ...config,
      sources,
      logger,
      graceMs: config.stuckGraceMs,
      onProgress,
      range,
      publish: createTaskPublish(broker),
      maxAttempts,
      onChildEnded: (kind, reason) => metrics.childEnded(kind, reason),
    })
  const execute = createExecutor({
    logger,
    chain,
    enqueueFor: (id) => createClient({ broker, database, registry, chain: id, maxAttempts, now }).enqueue,
    stuckGraceMs: config.stuckGraceMs,
    isolated: isolation?.execute,
    onProgress,
    onStuck,
    range,
  })
  const flow: TaskFlow = createTaskFlow({
    concurrency: config.concurrency,
    limits,
    admit: createIntake({ registry, chain, smallestDelayMs: config.smallestDelayMs, now }),
    isCancelled: (task) => cancelled.has(task),
    execute: cancellable(execute, { graceMs: config.stuckGraceMs, onStuck }),
    plan: (attempt, outcome) => planSettlement(attempt, outcome, now(), rules),
    settler: createSettler({ worker: config.name, broker, publish, events, ladder }),
    metrics,
    logger,
    now,
  })
  const heartbeat = createHeartbeat({
    worker: config.name,
    queues: config.queues,
    concurrency: config.concurrency,
    intervalMs: config.heartbeatMs,
    broker,
    running: flow.running,
    logger,
    now,
  })

  const consumers = createLaneConsumers({
    broker,
    queues: config.queues,
    lanes: config.lanes,
    prefetch: config.prefetch,
    isPaused: (queue, lane) => lanes.isPaused(queue, lane),
    onDelivery: (delivery) => flow.onDelivery(delivery),
    onLost: () => flow.onLost(),
    onPaused: (brokerQueue) => flow.giveBackHeld(brokerQueue),
  })
  const control = createWorkerControl({
    worker: config.name,
    syncWaitMs: config.syncWaitMs,
    broker,
    logger,
    lanes,
    cancelled,
    running: flow.running,
    buffered: () => flow.buffered,
    snapshot: () => heartbeat.snapshot(),
    async onLaneChanged(queue, lane) {
      const brokerQueue = broker.topology.workQueue(queue, lane)
      if (lanes.isPaused(queue, lane)) flow.hold(brokerQueue)
      else flow.release(brokerQueue)
      await consumers.update(queue, lane)
    },
    onShutdown(by) {
      logger.info({ worker: config.name, by }, 'worker is asked to stop')
      if (onShutdown === undefined) void stop()
      else onShutdown(by)
    },
    now,
  })

  let mode: 'new' | 'running' | 'stopping' | 'stopped' = 'new'
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  let consuming = false
  let waitCheck: NodeJS.Timeout | undefined

  async function begin(): Promise<void> {
    if (mode !== 'new') return
    mode = 'running'
    heartbeat.start()
    await control.start()
    if (!isRunning()) return
    await consumers.start()
    if (!isRunning()) return
    consuming = true
    waitCheck = setInterval(() => flow.giveBackOlder(now() - LONGEST_WAIT_FOR_SLOT_MS + WAIT_CHECK_MS), WAIT_CHECK_MS)
    const { name, queues, lanes: served, concurrency, prefetch } = config
    logger.info({ worker: name, queues, lanes: served, concurrency, prefetch }, 'worker consumes')
  }

  async function end(): Promise<void> {
    const wasRunning = mode === 'running'
    mode = 'stopping'
    consuming = false
    clearInterval(waitCheck)
    if (wasRunning) {
      flow.close()
      const graceEndsAt = performance.now() + config.graceMs
      // Nothing is given back before the consumers are cancelled, or it would be delivered to this worker again.
      const answered = await within(Math.min(ANSWER_MS, config.graceMs), consumers.pause())
      flow.giveBack()
      const graceMs = answered || flow.running.length > 0 ? Math.max(0, graceEndsAt - performance.now()) : 0
      if (!(await within(graceMs, flow.idle()))) abandon()
      limits.stop()
      const farewellMs = answered ? FAREWELL_MS : SILENT_FAREWELL_MS
      await within(farewellMs, Promise.all([events.flush(), heartbeat.stop(), isolation?.stop()]))
      stopped.abort()
      // What is not closed by then ends with the connection.
      await within(farewellMs, Promise.all([control.stop(), consumers.close()]))
      logger.info({ worker: config.name }, 'worker stopped')
    }
    mode = 'stopped'
  }

  function stop(): Promise<void> {
    return (stopping ??= end())
  }

  function abandon(): void {
    const tasks = flow.running.map(({ item }) => item.id)
    if (tasks.length === 0) logger.warn('the broker does not confirm what was done: it will deliver that again')
    else {
      logger.warn(
        { graceMs: config.graceMs, tasks },
        'grace is over: what still runs is aborted and will be redelivered',
      )
    }
    flow.abandon(new RetryableError('WORKER_STOPPING', 'The worker stops; this attempt will be run again by another.'))
  }

  // A function, because the compiler does not expect `mode` to change during an await.
  function isRunning(): boolean {
    return mode === 'running'
  }

  return {
    config,
    start: () => (starting ??= begin()),
    stop,
    drain: () => flow.idle(),
    notReadyBecause: () => [
      ...(consuming ? [] : ['the worker does not consume']),
      ...(broker.isReady() ? [] : ['the broker is not connected, or does not take messages']),
    ],
  }
}
