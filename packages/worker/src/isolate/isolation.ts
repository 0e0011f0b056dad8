import { availableParallelism } from 'node:os'
import { ConfigurationError, type Logger, type LogLevel, type TaskMessage, type TaskRegistry } from '@blockmill/core'
import type { Attempt } from '../execute/attempt.ts'
import { withDeadline } from '../execute/deadline.ts'
import { listDefinitions } from '../consume/work-unit.ts'
import { type Outcome, thrownOutcome } from '../execute/outcome.ts'
import type { RangePorts } from '../rows/run-range.ts'
import { type Child, createChild } from './child.ts'
import type { SpawnOptions } from './child-handle.ts'
import type { ChildEndReason } from './child-fate.ts'
import { ChildLost } from './child-lost.ts'
import { type ChildKind, type ChildNeed, createChildPool } from './child-pool.ts'
import type { ChildChain } from './child-protocol.ts'
import { createLogRelay } from './log-relay.ts'
import { spawnProcess } from './spawn-process.ts'
import { spawnThread } from './spawn-thread.ts'

/** Where the threads and processes of isolated tasks get their tasks and their chain from. They have no broker. */
export interface IsolationSources extends SpawnOptions {
  /** Packages or paths that tasks are loaded from: the same that the worker's registry was made from. */
  readonly taskPackages: readonly string[]
  /** Where names and relative paths are resolved; default the working directory. */
  readonly from?: string
  /** The chain that handlers get. Each child has a connection of its own, made when a handler first uses it. */
  readonly chain?: ChildChain
}

/** Runs attempts of isolated tasks in threads and processes. */
export interface IsolatedExecution {
  /** Tells how the attempt ended. Never rejects. */
  readonly execute: (attempt: Attempt) => Promise<Outcome>
  /** Threads and processes that are not on their way out. */
  readonly size: number
  /** The same for one kind. */
  sizeOf(kind: ChildKind): number
  /** Ends all threads and processes, also those that run. Resolves when none is left. */
  stop(): Promise<void>
}

export interface IsolatedExecutionOptions {
  readonly sources: IsolationSources
  readonly logger: Logger
  readonly concurrency: number
  /** Default: the number of processors, at least 2. Never more than the concurrency. */
  readonly maxChildren?: number | undefined
  /** For tasks that set none of their own. */
  readonly maxTasksPerChild?: number | undefined
  readonly maxMemoryPerChildBytes?: number | undefined
  /** How long an aborted handler may go on before its child is ended by force. */
  readonly graceMs: number
  readonly onProgress: (attempt: Attempt, done: number, total: number | undefined) => void
  /** What the handlers of batches reach. */
  readonly range: Pick<RangePorts, 'publishPart' | 'throttle'>
  /** Publishes what handlers enqueue. Without, none can. */
  readonly publish?: ((message: TaskMessage) => Promise<void>) | undefined
  /** Executions of tasks that handlers enqueue, where they do not say themselves. */
  readonly maxAttempts?: number | undefined
  /** Called once for each thread or process that takes no more attempts. */
  readonly onChildEnded?: ((kind: ChildKind, reason: ChildEndReason) => void) | undefined
}

/** Children that are lost before they take an attempt, one after the other, until the attempt fails. */
const MAX_FALSE_STARTS = 3

const SPAWN = { thread: spawnThread, process: spawnProcess }

/** Starts nothing by itself: a child is started by the first attempt that needs one. */
export function createIsolatedExecution({
  sources,
  logger,
  concurrency,
  maxChildren = Math.max(2, availableParallelism()),
  maxTasksPerChild,
  maxMemoryPerChildBytes,
  graceMs,
  onProgress,
  range,
  publish,
  maxAttempts,
  onChildEnded,
}: IsolatedExecutionOptions): IsolatedExecution {
  const { taskPackages, from = process.cwd(), chain, heapLimitMb } = sources
  const setup = { parentPid: process.pid, taskPackages, from, chain, maxAttempts, logLevel: logger.level as LogLevel }
  const onLog = createLogRelay(logger)
  const pool = createChildPool({
    maxChildren: Math.min(concurrency, maxChildren),
    ...(onChildEnded !== undefined && { onEnded: onChildEnded }),
    create: (kind, onUnfit) =>
      createChild({
        spawn: (events) => SPAWN[kind]({ heapLimitMb }, events),
        setup,
        logger,
        onLog,
        publish,
        onUnfit,
      }),
  })

  /** @throws ChildLost when the handler was not even called. */
  async function tryRun(attempt: Attempt, need: ChildNeed): Promise<Outcome> {
    const child = await pool.acquire(need, attempt.abort.signal)
    const outcome = await runOn(child, attempt)
    pool.release(child, need)
    if (outcome === undefined) throw new ChildLost(`The ${child.name} ended before it took the attempt.`)
    return outcome
  }

  /** `undefined` when the child ended before it had begun. */
  async function runOn(child: Child, attempt: Attempt): Promise<Outcome | undefined> {
    const { unit, item, abort } = attempt
    const passOn = (): void => child.abort(abort.signal.reason, graceMs)
    const job = { message: { ...unit.message, items: [item] }, item }
    const ended = child.run(job, {
      onProgress: (done, total) => onProgress(attempt, done, total),
      publishPart: (part) => range.publishPart(attempt, part),
      throttle: () => range.throttle(attempt),
      onCheckpoint(checkpoint) {
        attempt.checkpoint = checkpoint
      },
    })
    if (abort.signal.aborted) passOn()
    abort.signal.addEventListener('abort', passOn, { once: true })
    const { timeoutMs } = unit.definition
    const outcome = await (timeoutMs === undefined ? ended : withDeadline(ended, { timeoutMs, abort }))
    abort.signal.removeEventListener('abort', passOn)
    return outcome
  }

  async function run(attempt: Attempt, need: ChildNeed): Promise<Outcome> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await tryRun(attempt, need)
      } catch (error) {
        if (!(error instanceof ChildLost) || tries === MAX_FALSE_STARTS) throw error
        logger.warn({ err: error, taskId: attempt.item.id }, 'child was lost before it took its task; another will')
      }
    }
  }

  return {
    async execute(attempt) {
      const { isolation, ...limits } = attempt.unit.definition
      try {
        return await run(attempt, {
          kind: isolation as ChildKind,
          maxTasks: limits.maxTasksPerChild ?? maxTasksPerChild,
          maxMemoryBytes: limits.maxMemoryPerChildBytes ?? maxMemoryPerChildBytes,
        })
      } catch (error) {
        return thrownOutcome(error)
      }
    },
    get size() {
      return pool.size
    },
    sizeOf: (kind) => pool.sizeOf(kind),
    stop: () => pool.stop(),
  }
}

/** @throws ConfigurationError `CONFIG_INVALID` when there are isolated tasks and nothing to make their children from. */
export function assertNoneIsolated(registry: TaskRegistry): void {
  const isolated = listDefinitions(registry).filter(({ isolation }) => isolation !== 'none')
  if (isolated.length === 0) return
  const names = isolated.map(({ name }) => `'${name}'`).join(', ')
  throw new ConfigurationError(
    'CONFIG_INVALID',
    `Tasks run isolated (${names}), but the worker does not know where their threads and processes load tasks from. Give createWorker the option \`isolation\`.`,
  )
}
