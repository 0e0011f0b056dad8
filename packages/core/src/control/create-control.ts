import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

import type { Listener } from '../broker/listener.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { Lane } from '../task/lane.ts'
import { assertQueueName } from '../task/queue-name.ts'
import {
  type ControlBroker,
  controlMessage,
  type ControlOrder,
  listenToReplies,
  publishControl,
} from './control-channel.ts'
import { type ControlReply, MAX_CANCEL_IDS } from './control-message.ts'

/** Gives orders to the workers of an installation, and asks them questions. */
export interface Control {
  /**
   * Calls tasks off: one that runs has its signal aborted, one that waits ends as cancelled when a worker receives it. Only
   * what was planned until now is meant: a later replay of the same task runs.
   *
   * @returns who heard of it, and how many of the tasks each was running.
   * @throws NonRetryableError `CONTROL_INVALID` for what is no task id.
   */
  cancel(taskIds: readonly string[]): Promise<readonly ControlReply[]>
  /**
   * Stops starting tasks of a queue, or of one lane of it. What runs goes on.
   *
   * @throws ConfigurationError `TASK_DEFINITION_INVALID` for what is no queue's name.
   */
  pauseQueue(queue: string, lane?: Lane): Promise<readonly ControlReply[]>
  /** Starts tasks of a queue, or of one lane of it, again. Throws as `pauseQueue` does. */
  resumeQueue(queue: string, lane?: Lane): Promise<readonly ControlReply[]>
  /** Who is there. */
  ping(): Promise<readonly ControlReply[]>
  /** What everybody is doing. */
  stats(): Promise<readonly ControlReply[]>
  /** Stops a worker gracefully. Answered when it begins to stop; by nobody when there is none of this name. */
  shutdown(worker: string): Promise<readonly ControlReply[]>
  /** Ends listening for answers. The broker client stays open. Idempotent. */
  close(): Promise<void>
}

export interface ControlOptions {
  /** Started by the caller. */
  readonly broker: ControlBroker
  readonly logger: Logger
  /** Who gives the orders, for the record. Default the name of the system's user. */
  readonly by?: string
  /**
   * How long answers are waited for. Default 1 s. Nobody knows how many there will be, so it is waited for as long each
   * time, but for `shutdown`, which only one answers.
   */
  readonly waitMs?: number
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Makes a control client. It listens for answers from its first use on. */
export function createControl({ broker, logger, by = userInfo().username, waitMs = 1_000 }: ControlOptions): Control {
  const replyTo = randomUUID()
  const asked = new Map<string, (reply: ControlReply) => void>()
  let listening: Promise<Listener> | undefined

  const listen = (): Promise<Listener> =>
    (listening ??= listenToReplies(broker, { replyTo, logger, onReply: (reply) => asked.get(reply.id)?.(reply) }))

  /** All answers that come within the time, or only the first. */
  async function ask(order: ControlOrder, { first = false } = {}): Promise<readonly ControlReply[]> {
    await listen()
    const message = { ...controlMessage(order, { by, nowMs: Date.now() }), replyTo }
    const replies: ControlReply[] = []
    const answered = new AbortController()
    asked.set(message.id, (reply) => {
      replies.push(reply)
      if (first) answered.abort()
    })
    try {
      await publishControl(broker, message)
      await delay(waitMs, undefined, { signal: answered.signal }).catch(() => {
        // Aborted: there will be no further answer.
      })
      return replies
    } finally {
      asked.delete(message.id)
    }
  }

  function askAboutQueue(type: 'pause' | 'resume', queue: string, lane: Lane | undefined) {
    assertQueueName(queue, 'queue')
    return ask({ type, queue, ...(lane !== undefined && { lane }) })
  }

  return {
    async cancel(taskIds) {
      const ids = [...new Set(taskIds.map(taskIdOf))]
      const parts = Array.from({ length: Math.ceil(ids.length / MAX_CANCEL_IDS) }, (_, index) =>
        ids.slice(index * MAX_CANCEL_IDS, (index + 1) * MAX_CANCEL_IDS),
      )
      return sumUp(await Promise.all(parts.map((part) => ask({ type: 'cancel', taskIds: part }))))
    },
    pauseQueue: async (queue, lane) => askAboutQueue('pause', queue, lane),
    resumeQueue: async (queue, lane) => askAboutQueue('resume', queue, lane),
    ping: () => ask({ type: 'ping' }),
    stats: () => ask({ type: 'stats' }),
    shutdown: (worker) => ask({ type: 'shutdown', worker }, { first: true }),
    async close() {
      await (await listening)?.close()
    },
  }
}

function taskIdOf(text: string): string {
  const id = text.toLowerCase()
  if (UUID.test(id)) return id
  throw new NonRetryableError(
    'CONTROL_INVALID',
    `${JSON.stringify(text)} is no task id. A task id is a UUID, as lists of tasks and events show it.`,
  )
}

/** One answer of each, for orders that had to be given in parts. */
function sumUp(parts: readonly (readonly ControlReply[])[]): ControlReply[] {
  const byName = new Map<string, ControlReply>()
  for (const reply of parts.flat()) {
    const key = `${reply.type} ${reply.from}`
    const earlier = byName.get(key)
    const sum = earlier !== undefined && earlier.type === 'worker' && reply.type === 'worker'
    byName.set(key, sum ? { ...earlier, running: (earlier.running ?? 0) + (reply.running ?? 0) } : reply)
  }
  return [...byName.values()]
}
