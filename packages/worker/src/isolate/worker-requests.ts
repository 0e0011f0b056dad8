import type { RowsPart, TaskMessage } from '@blockmill/core'
import type { ChildPort } from './child-port.ts'
import type { ToChild, WorkerRequest } from './child-protocol.ts'
import { revivedError } from './job-runner.ts'

/** What a child cannot do by itself, because it has no broker: it asks its worker for it. */
export interface WorkerRequests {
  /** Resolves when the broker has confirmed the message. */
  readonly publish: (message: TaskMessage) => Promise<void>
  /** Resolves when the broker has confirmed the rows. */
  readonly publishPart: (part: RowsPart) => Promise<void>
  /** Resolves when the rate limit of the task allows another request. */
  readonly throttle: () => Promise<void>
  /** Takes the worker's answer. */
  answer(message: Extract<ToChild, { type: 'answer' }>): void
}

export function createWorkerRequests(port: Pick<ChildPort, 'send'>): WorkerRequests {
  const waiting = new Map<number, PromiseWithResolvers<void>>()
  let requests = 0

  async function ask(request: WorkerRequest): Promise<void> {
    requests += 1
    const number = requests
    const answered = Promise.withResolvers<void>()
    waiting.set(number, answered)
    await port.send({ ...request, request: number })
    await answered.promise
  }

  return {
    publish: (message) => ask({ type: 'publish', message }),
    publishPart: (part) => ask({ type: 'publish-part', part }),
    throttle: () => ask({ type: 'throttle' }),
    answer({ request, error }) {
      const answered = waiting.get(request)
      waiting.delete(request)
      if (error === undefined) answered?.resolve()
      else answered?.reject(revivedError(error))
    },
  }
}
