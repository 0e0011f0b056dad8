import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  Cancel,
  type AnyChainAccess,
  type ErrorCode,
  type Logger,
  NonRetryableError,
  RetryableError,
  serializeError,
  type SerializedError,
  type TaskRegistry,
} from '@blockmill/core'
import type { HandlerAttempt } from '../execute/attempt.ts'
import { failedOutcome, type Outcome } from '../execute/outcome.ts'
import type { EnqueueFor } from '../execute/enqueue-from.ts'
import { findDefinition } from '../consume/work-unit.ts'
import { runHandler } from '../execute/run-handler.ts'
import type { RangePorts } from '../rows/run-range.ts'
import { ChildLost } from './child-lost.ts'
import type { ChildPort } from './child-port.ts'
import type { FromChild, Job } from './child-protocol.ts'

/** How often an attempt's memory is told. */
const MEMORY_INTERVAL_MS = 1_000

/** What a child does: runs one attempt at a time, and tells of it. */
export interface JobRunner {
  run(job: Job): Promise<void>
  abort(reason: SerializedError): void
  /** An error that nobody caught. It is blamed on the attempt that it came from, even if that has ended. */
  uncaught(error: unknown): void
}

export interface JobRunnerOptions {
  readonly port: Pick<ChildPort, 'send' | 'memoryBytes'>
  readonly registry: TaskRegistry
  readonly chain: AnyChainAccess | undefined
  readonly enqueueFor: EnqueueFor
  readonly range: RangePorts
  readonly logger: Logger
}

export function createJobRunner({ port, registry, chain, enqueueFor, range, logger }: JobRunnerOptions): JobRunner {
  // Follows a handler through everything that it started, and so tells whose an error is that nobody caught.
  const origin = new AsyncLocalStorage<HandlerAttempt>()
  let current: HandlerAttempt | undefined

  const tell = (message: FromChild): void => void port.send(message)

  function end(attempt: HandlerAttempt, outcome: Outcome, tainted: boolean): void {
    if (current !== attempt) return
    current = undefined
    tell({ type: 'ended', outcome: asJson(outcome), memoryBytes: port.memoryBytes(), tainted })
  }

  return {
    async run({ message, item }) {
      const definition = findDefinition(registry, message.task)
      if (definition === undefined) {
        const error = new NonRetryableError('TASK_UNKNOWN', `This child has no task named '${message.task}'.`)
        const outcome = asJson(failedOutcome(error))
        tell({ type: 'ended', outcome, memoryBytes: port.memoryBytes(), tainted: true })
        return
      }
      const attempt = { unit: { message, definition }, item, abort: new AbortController() }
      current = attempt
      // The handler may end this thread or process: that the attempt began must be known by then.
      await port.send({ type: 'started' })
      const reporting = setInterval(() => tell({ type: 'memory', memoryBytes: port.memoryBytes() }), MEMORY_INTERVAL_MS)
      const outcome = await origin.run(attempt, () =>
        runHandler(attempt, {
          logger,
          chain,
          enqueueFor,
          onProgress: (done, total) => tell({ type: 'progress', done, total }),
          range,
        }),
      )
      clearInterval(reporting)
      // What the handler left to the next turn of the event loop still belongs to it, above all what throws there.
      await nextTurn()
      end(attempt, outcome, false)
    },

    abort(reason) {
      if (current === undefined) return
      tell({ type: 'aborting' })
      current.abort.abort(revivedError(reason))
    },

    uncaught(error) {
      const culprit = origin.getStore() ?? current
      if (culprit !== undefined && culprit === current) {
        const { message } = serializeError(error)
        end(
          culprit,
          failedOutcome(new ChildLost(`The attempt threw an error that nobody caught: ${message}`, error)),
          true,
        )
        return
      }
      const from = culprit && { task: culprit.unit.message.task, taskId: culprit.item.id }
      tell({ type: 'late-error', ...from, error: serializeError(error) })
    },
  }
}

/** The result may be changed by what the handler left running. */
function asJson(outcome: Outcome): string {
  try {
    return JSON.stringify(outcome)
  } catch (error) {
    return JSON.stringify(failedOutcome(error))
  }
}

/** An error that handlers can recognise, from what travelled. */
export function revivedError({ name, message, code, classes }: SerializedError): Error {
  if (classes.includes('Cancel')) return new Cancel(message)
  if (classes.includes('RetryableError')) return new RetryableError(code as ErrorCode, message)
  return Object.assign(new Error(message), { name, ...(code !== undefined && { code }) })
}
