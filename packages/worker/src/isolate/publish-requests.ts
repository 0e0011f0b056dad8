import type { TaskMessage } from '@blockmill/core'
import type { ChildPort } from './child-port.ts'
import type { ToChild } from './child-protocol.ts'
import { revivedError } from './job-runner.ts'

/** What a child has to publish, it asks its worker for: children have no broker. */
export interface PublishRequests {
  /** Resolves when the broker has confirmed the message. */
  readonly publish: (message: TaskMessage) => Promise<void>
  /** Takes the worker's answer. */
  answer(message: Extract<ToChild, { type: 'published' }>): void
}

export function createPublishRequests(port: Pick<ChildPort, 'send'>): PublishRequests {
  const waiting = new Map<number, PromiseWithResolvers<void>>()
  let requests = 0

  return {
    publish: async (message) => {
      requests += 1
      const request = requests
      const answered = Promise.withResolvers<void>()
      waiting.set(request, answered)
      await port.send({ type: 'publish', request, message })
      await answered.promise
    },
    answer({ request, error }) {
      const answered = waiting.get(request)
      waiting.delete(request)
      if (error === undefined) answered?.resolve()
      else answered?.reject(revivedError(error))
    },
  }
}
