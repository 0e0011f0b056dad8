import type { Broker, Logger, RateLimit, RateLimited, TaskRegistry } from '@blockmill/core'
import type { UnitBuffer } from '../consume/unit-buffer.ts'
import { listDefinitions, type WorkUnit } from '../consume/work-unit.ts'
import { createGlobalLimiter } from './global-limiter.ts'
import { createLimitedBuffer, type LimitedBufferOptions, type LimitSet } from './limited-buffer.ts'
import { createPermitQueue } from './permit-queue.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { createThrottle, type Throttle } from './throttle.ts'
import { createWorkerLimiter } from './worker-limiter.ts'

/** What the buffer of a worker needs of the flow of tasks. */
export interface BufferPorts extends Pick<LimitedBufferOptions, 'freeSlots' | 'onSetAside'> {
  /** Called when something that waits may be startable now. */
  readonly onOpen: () => void
}

/** The rate limits of a worker. */
export interface RateLimits {
  /** The buffer that keeps them, or `undefined` when nothing is limited. */
  createBuffer(ports: BufferPorts): UnitBuffer | undefined
  /** Takes one more permit of a task's own limit; resolves at once where it has none. Rejects when the signal aborts. */
  throttle(task: string, signal: AbortSignal): Promise<void>
  /** Ends all waiting. */
  stop(): void
}

export interface RateLimitsOptions {
  readonly registry: TaskRegistry
  /** Limits of queues, by queue. */
  readonly queueLimits: Readonly<Record<string, RateLimit>>
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'declare'>
  readonly logger: Logger
  readonly onHeldBack: (unit: WorkUnit) => void
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number
  readonly random?: () => number
}

/** A task over its own limit that would wait longer goes back to the broker, so that it holds nobody up on its queue. */
const TASK_PATIENCE_MS = 1_000
/** Behind a task over the limit of its queue are only others of that queue, so it may stay until the prefetch is used up. */
const QUEUE_PATIENCE_MS = 60_000

/** The limits that task definitions and the worker's settings name. A task must pass its own and that of its queue. */
export function createRateLimits({
  registry,
  queueLimits,
  broker,
  logger,
  onHeldBack,
  clock = () => performance.now(),
  random = Math.random,
}: RateLimitsOptions): RateLimits {
  const limiters = new Set<RateLimiter>()
  const throttles = new Map<string, Throttle>()

  const create = (limited: RateLimited, limit: RateLimit, onOpen: () => void): RateLimiter => {
    const acquire = createPermitQueue({ broker, limited, limit, logger })
    const limiter =
      limit.scope === 'global'
        ? createGlobalLimiter({ limit, acquire, clock, random, onOpen })
        : createWorkerLimiter({ limit, clock, onOpen })
    limiters.add(limiter)
    return limiter
  }

  return {
    createBuffer({ onOpen, ...ports }) {
      const tasks = new Map<string, RateLimiter>()
      const queues = new Map<string, RateLimiter>()
      for (const { name, rateLimit } of listDefinitions(registry)) {
        if (rateLimit === undefined) continue
        const limiter = create({ kind: 'task', name }, rateLimit, () => {
          throttles.get(name)?.serve()
          onOpen()
        })
        tasks.set(name, limiter)
        throttles.set(name, createThrottle(limiter))
      }
      for (const [name, limit] of Object.entries(queueLimits)) {
        queues.set(name, create({ kind: 'queue', name }, limit, onOpen))
      }
      if (limiters.size === 0) return undefined
      return createLimitedBuffer({ ...ports, limitsOf: limitsOf(tasks, queues), clock, onHeldBack })
    },
    async throttle(task, signal) {
      signal.throwIfAborted()
      await throttles.get(task)?.take(signal)
    },
    stop() {
      for (const limiter of limiters) limiter.stop()
    },
  }
}

/** Looks up the limits of a unit: the same object each time for the same task and queue. */
function limitsOf(tasks: ReadonlyMap<string, RateLimiter>, queues: ReadonlyMap<string, RateLimiter>) {
  const sets = new Map<RateLimiter | undefined, Map<RateLimiter | undefined, LimitSet>>()

  return ({ definition, message }: WorkUnit): LimitSet | undefined => {
    const task = tasks.get(definition.name)
    const queue = queues.get(message.queue)
    if (task === undefined && queue === undefined) return undefined
    const ofTask = sets.get(task) ?? new Map<RateLimiter | undefined, LimitSet>()
    const found = ofTask.get(queue)
    if (found !== undefined) return found
    const made = {
      limiters: [queue, task].filter((limiter) => limiter !== undefined),
      patienceMs: task === undefined ? QUEUE_PATIENCE_MS : TASK_PATIENCE_MS,
    }
    sets.set(task, ofTask.set(queue, made))
    return made
  }
}
