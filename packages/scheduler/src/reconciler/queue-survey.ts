import { type Broker, delayLadder } from '@blockmill/core'

import type { QueueLane } from './overdue-store.ts'

/**
 * No worker sends a task away for longer without saying so on the record: five minutes for one that is over a rate limit, 300
 * smallest delays for one that the worker does not know.
 */
const longestUnrecordedMs = (smallestDelayMs: number): number => Math.max(5 * 60_000, 300 * smallestDelayMs)

/** What lies on the broker. All methods throw RetryableError `BROKER_UNREACHABLE`. */
export interface QueueSurvey {
  /** False while messages wait for the monitor, dead ones included: the record may lag behind what has happened. */
  isRecordUpToDate(): Promise<boolean>
  /** Those of the lanes in which no message is ready. One without a queue has lost more than messages, and is left out. */
  silent(lanes: readonly QueueLane[]): Promise<readonly QueueLane[]>
  /**
   * Messages in all delay queues; 0 as soon as none is in those that could hide a task. Each waits for a time after
   * `waitFor`, where the record knows its task.
   *
   * Of the tasks that are in delay queues, the record knows those that are retried or postponed, or were enqueued for later. But
   * a worker also sends tasks away that are over a rate limit, or that it does not know, for up to five minutes at a time and
   * without a word. Those are not lost, so whoever asks compares this count with what the record knows. Delay queues are
   * shared by all queues, and only the short ones can hide a task: while they are empty, nothing is hidden.
   */
  countDelayed(): Promise<{ readonly messages: number; readonly waitFor: Date }>
}

export interface QueueSurveyOptions {
  readonly broker: Pick<Broker, 'depth' | 'topology'>
  /** The first step of the delay queues. */
  readonly smallestDelayMs: number
  /** Unix milliseconds. */
  readonly now: () => number
}

export function createQueueSurvey({ broker, smallestDelayMs, now }: QueueSurveyOptions): QueueSurvey {
  const { topology } = broker
  const steps = delayLadder(smallestDelayMs)
  const longest = steps.findIndex((step) => step >= longestUnrecordedMs(smallestDelayMs))
  const short = steps.slice(0, longest + 1)
  const long = steps.slice(short.length)

  const count = async (queues: readonly number[]): Promise<number> => {
    let messages = 0
    // One after the other: each takes a channel.
    for (const step of queues) messages += (await broker.depth(topology.delayQueue(step)))?.messages ?? 0
    return messages
  }

  return {
    async isRecordUpToDate() {
      const depths = await Promise.all([topology.monitorQueue, topology.deadQueue].map((queue) => broker.depth(queue)))
      return depths.every((depth) => (depth?.messages ?? 0) === 0)
    },
    async silent(lanes) {
      const depths = await Promise.all(lanes.map(({ queue, lane }) => broker.depth(topology.workQueue(queue, lane))))
      return lanes.filter((_, index) => depths[index]?.messages === 0)
    },
    async countDelayed() {
      // The last step of a delay ends up to one smallest step late, and its message is under way for a moment.
      const waitFor = new Date(now() - 2 * smallestDelayMs)
      const inShort = await count(short)
      return { messages: inShort === 0 ? 0 : inShort + (await count(long)), waitFor }
    },
  }
}
