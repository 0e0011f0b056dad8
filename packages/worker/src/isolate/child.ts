import {
  ConfigurationError,
  type Logger,
  NonRetryableError,
  type RangeCheckpoint,
  type RowsPart,
  serializeError,
  type TaskMessage,
} from '@blockmill/core'
import { type Outcome, thrownOutcome } from '../execute/outcome.ts'
import { type ChildFate, fateOfAborted } from './child-fate.ts'
import type { ChildHandle, SpawnChild } from './child-handle.ts'
import { type ChildEnd, ChildLost, childLost, describeEnd } from './child-lost.ts'
import type { ChildSetup, FromChild, Job } from './child-protocol.ts'

/** A thread or process that runs one attempt at a time. */
export interface Child {
  /** `process 4711`, `thread 3`. */
  readonly name: string
  /** Resolves when it can run attempts. Rejects with `ChildLost` when it never will. */
  readonly ready: Promise<void>
  /** Resolves when nothing of it is left. */
  readonly gone: Promise<void>
  /** Attempts that it has run. */
  readonly tasks: number
  /** What it used when it last told. */
  readonly memoryBytes: number
  /** Why it must not run another attempt: it is in an unknown state, or on its way out. The first reason stays. */
  readonly fate: ChildFate | undefined
  /**
   * Runs an attempt. Never rejects. `undefined` when the child ended before it had begun: the handler was not called, and
   * another child may run the attempt.
   */
  run(job: Job, listener: JobListener): Promise<Outcome | undefined>
  /**
   * Aborts the signal of the handler that runs, and ends the child by force when the handler goes on past the grace, or
   * at once when it blocks the event loop, because then it cannot even know. The child takes no other attempt after that.
   */
  abort(reason: unknown, graceMs: number): void
  /** Asks it to close what it has open and to exit, and ends it by force when it does not. */
  end(): Promise<void>
}

export interface JobListener {
  readonly onProgress: (done: number, total: number | undefined) => void
  /** Publishes what the handler of a batch has emitted. */
  readonly publishPart: (part: RowsPart) => Promise<void>
  /** Takes a permit of the task's rate limit. */
  readonly throttle: () => Promise<void>
  readonly onCheckpoint: (checkpoint: RangeCheckpoint) => void
}

export interface ChildOptions {
  readonly spawn: SpawnChild
  readonly setup: ChildSetup
  readonly logger: Logger
  /** A line that a handler logged, as JSON. */
  readonly onLog: (line: string) => void
  /** Publishes what a handler enqueues. Without, none can. */
  readonly publish?: ((message: TaskMessage) => Promise<void>) | undefined
  /** Called when it becomes unfit while it runs nothing. */
  readonly onUnfit: () => void
}

/** A child imports the tasks package, on a busy machine. */
const START_MS = 60_000
/** How long a child that was asked to exit may take. */
const END_MS = 1_000
/** How long a turning event loop may take to answer. */
const BLOCKED_MS = 500
/** What a kill may take. A thread inside of native code cannot be ended before it returns. */
const KILL_MS = 2_000

interface Running {
  readonly listener: JobListener
  readonly settle: (outcome: Outcome | undefined) => void
  started: boolean
  aborted?: { readonly reason: unknown; readonly graceMs: number }
}

/**
 * Starts a child. Its modes:
 *
 * - **starting**: it loads the tasks. Idle when it says that it is ready; gone when it cannot, or takes longer than a minute.
 * - **idle**: waits for `run`.
 * - **running**: the handler runs. Idle when the child tells the outcome. When the child goes instead, the attempt is lost,
 *   unless it was aborted: then that is what ended it.
 * - **ending**: asked to exit, or killed.
 * - **gone**: entered through `leave` alone, when the exit is seen, or when a kill has no visible effect in two seconds.
 */
export function createChild({ spawn, setup, logger, onLog, publish = refuse, onUnfit }: ChildOptions): Child {
  const ready = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  // Whoever waits hears of it; when nobody does, it is no news.
  ready.promise.catch(() => undefined)
  let handle: ChildHandle | undefined
  let running: Running | undefined
  let isGone = false
  let isReady = false
  let fate: ChildFate | undefined
  let tasks = 0
  let memoryBytes = 0
  let timer = setTimeout(() => {
    ready.reject(new ChildLost(`The ${name()} was not ready within ${START_MS / 1_000} s.`))
    kill()
  }, START_MS)

  const name = (): string => handle?.name ?? 'child'

  function onMessage(message: FromChild): void {
    // A task may send messages of its own from a child; they mean nothing here.
    if (typeof message !== 'object' || message === null) return
    switch (message.type) {
      case 'ready':
        memoryBytes = message.memoryBytes
        clearTimeout(timer)
        isReady = true
        ready.resolve()
        break
      case 'unusable':
        ready.reject(new ChildLost(`The ${name()} could not load the tasks: ${message.error.message}`))
        kill()
        break
      case 'started':
        if (running !== undefined) running.started = true
        break
      case 'progress':
        running?.listener.onProgress(message.done, message.total)
        break
      case 'log':
        onLog(message.line)
        break
      case 'publish':
        void answer(message.request, publish(message.message))
        break
      case 'publish-part':
        void answer(message.request, running?.listener.publishPart(asBuffer(message.part)) ?? refuseLate())
        break
      case 'throttle':
        void answer(message.request, running?.listener.throttle() ?? refuseLate())
        break
      case 'checkpoint':
        running?.listener.onCheckpoint(message.checkpoint)
        break
      case 'memory':
        memoryBytes = message.memoryBytes
        break
      case 'aborting':
        if (running?.aborted === undefined) break
        clearTimeout(timer)
        timer = setTimeout(kill, running.aborted.graceMs)
        break
      case 'ended':
        memoryBytes = message.memoryBytes
        if (message.tainted) fate ??= 'late_error'
        clearTimeout(timer)
        finish(JSON.parse(message.outcome) as Outcome)
        break
      case 'late-error': {
        const { task, taskId, error } = message
        logger.error({ task, taskId, error, child: name() }, 'error that nobody caught, after its task had ended')
        fate ??= 'late_error'
        if (running === undefined) onUnfit()
        break
      }
    }
  }

  async function answer(request: number, done: Promise<void>): Promise<void> {
    try {
      await done
      handle?.send({ type: 'answer', request })
    } catch (error) {
      handle?.send({ type: 'answer', request, error: serializeError(error) })
    }
  }

  function finish(outcome: Outcome | undefined): void {
    const { settle } = running ?? {}
    running = undefined
    settle?.(outcome)
  }

  function leave(end: ChildEnd): void {
    if (isGone) return
    isGone = true
    fate ??= isReady ? 'lost' : 'unusable'
    clearTimeout(timer)
    const error = childLost(name(), end, memoryBytes)
    ready.reject(new ChildLost(`The ${name()} ${describeEnd(end)} before it was ready.`, end.error))
    if (running === undefined) onUnfit()
    else if (running.aborted !== undefined) {
      logger.warn({ child: name() }, 'child was ended by force: its handler did not heed its aborted signal')
      finish(thrownOutcome(running.aborted.reason))
    } else finish(running.started ? thrownOutcome(error) : undefined)
    gone.resolve()
  }

  function kill(): void {
    if (!isReady) fate ??= 'unusable'
    clearTimeout(timer)
    timer = setTimeout(() => {
      logger.error({ child: name() }, 'child does not end; it may still be running')
      leave({ exitCode: null, signal: null, error: new Error(`it did not end within ${KILL_MS} ms of being killed`) })
    }, KILL_MS)
    handle?.kill()
  }

  try {
    handle = spawn({ onMessage, onExit: leave })
    handle.send({ type: 'set-up', setup })
  } catch (error) {
    // Later, as an exit would come: whoever is told must have been given the child by then.
    queueMicrotask(() => leave({ exitCode: null, signal: null, error: error as Error }))
  }

  return {
    get name() {
      return name()
    },
    ready: ready.promise,
    gone: gone.promise,
    get tasks() {
      return tasks
    },
    get memoryBytes() {
      return memoryBytes
    },
    get fate() {
      return fate
    },
    run(job, listener) {
      if (isGone) return Promise.resolve(undefined)
      tasks += 1
      const { promise, resolve } = Promise.withResolvers<Outcome | undefined>()
      running = { listener, settle: resolve, started: false }
      handle?.send({ type: 'run', job })
      return promise
    },
    abort(reason, graceMs) {
      if (running === undefined || running.aborted !== undefined || isGone) return
      fate ??= fateOfAborted(reason)
      running.aborted = { reason, graceMs }
      handle?.send({ type: 'abort', reason: serializeError(reason) })
      timer = setTimeout(kill, Math.min(BLOCKED_MS, graceMs))
    },
    end() {
      if (!isGone) {
        fate ??= 'stopped'
        clearTimeout(timer)
        timer = setTimeout(kill, END_MS)
        handle?.send({ type: 'end' })
      }
      return gone.promise
    },
  }
}

/** What crossed to here has become a plain array of bytes. */
function asBuffer(part: RowsPart): RowsPart {
  const { buffer, byteOffset, byteLength } = part.data
  return { ...part, data: Buffer.from(buffer, byteOffset, byteLength) }
}

async function refuseLate(): Promise<void> {
  throw new NonRetryableError('EMIT_NOT_AWAITED', 'The attempt that this belongs to has ended.')
}

async function refuse(): Promise<void> {
  throw new ConfigurationError('CONFIG_INVALID', 'This child was given nothing to publish through.')
}
