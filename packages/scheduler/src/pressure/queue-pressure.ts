import type { Broker, Lane } from '@blockmill/core'

import { laneDepth } from './lane-depth.ts'

/** An answer of the broker counts for this long while there is room … */
const ANSWER_LASTS_MS = 1_000
/** … and while there is none, so that workers who empty the lane in a second do not stand idle. */
const FULL_LASTS_MS = 100

/** How much waits on the broker: what whoever schedules old blocks asks before each step. */
export interface QueuePressure {
  /**
   * True when a lane of a queue holds the window or more: messages that the broker had ready at most a second ago, and what
   * was published since then. The newest blocks are scheduled all the same; everything else waits.
   *
   * @param window messages; the shared window when left out.
   * @throws RetryableError `BROKER_UNREACHABLE`, `BROKER_PUBLISH_FAILED` when the lane is gone from the broker.
   */
  isFull(queue: string, lane: Lane, window?: number): Promise<boolean>
  /** Counts messages that are published to a lane, until the broker is asked for its depth again. */
  published(queue: string, lane: Lane, messages: number): void
  /**
   * True while more than the limit of messages wait for the monitor: lookback and back-fill yield then, because what they
   * publish is recorded in the order in which it came, before what happens at the head.
   *
   * @throws RetryableError `BROKER_UNREACHABLE`.
   */
  isMonitorBehind(): Promise<boolean>
}

export interface QueuePressureOptions {
  readonly broker: Pick<Broker, 'depth' | 'topology'>
  /** Messages that a lane may hold. */
  readonly window: number
  /** Messages that may wait for the monitor. */
  readonly monitorLimit: number
  /** Milliseconds of a clock that never jumps; default the process's. */
  readonly now?: () => number
  /** Called when the monitor falls behind, and when it has caught up, with how many messages wait for it. */
  readonly onMonitorBehind?: (isBehind: boolean, messages: number) => void
}

interface Answer {
  /** Absent until it is there. */
  answeredAtMs?: number
  readonly depth: Promise<number>
  publishedSince: number
}

/** Asks the broker for each queue at most once a second, or ten times while its lane is full, however many ask for it. */
export function createQueuePressure(options: QueuePressureOptions): QueuePressure {
  const { broker, window: sharedWindow, monitorLimit, now = () => performance.now(), onMonitorBehind } = options
  const answers = new Map<string, Answer>()
  let wasBehind = false

  const askDepth = async (queue: string): Promise<number> =>
    queue === broker.topology.monitorQueue ? ((await broker.depth(queue))?.messages ?? 0) : laneDepth(broker, queue)

  const ask = (queue: string, lastsMs: number = ANSWER_LASTS_MS): Answer => {
    const known = answers.get(queue)
    if (known !== undefined && now() - (known.answeredAtMs ?? now()) < lastsMs) return known
    const depth = askDepth(queue).then((messages) => {
      answer.answeredAtMs = now()
      return messages
    })
    const answer: Answer = { depth, publishedSince: 0 }
    answers.set(queue, answer)
    // Whoever waits for it has the failure; the next one asks anew.
    depth.catch(() => answers.get(queue) === answer && answers.delete(queue))
    return answer
  }

  const heldBy = async (answer: Answer): Promise<number> => (await answer.depth) + answer.publishedSince

  return {
    async isFull(queue, lane, window = sharedWindow) {
      const name = broker.topology.workQueue(queue, lane)
      return (await heldBy(ask(name))) >= window && (await heldBy(ask(name, FULL_LASTS_MS))) >= window
    },

    published(queue, lane, messages) {
      const answer = answers.get(broker.topology.workQueue(queue, lane))
      if (answer !== undefined) answer.publishedSince += messages
    },

    async isMonitorBehind() {
      const messages = await ask(broker.topology.monitorQueue).depth
      const isBehind = messages > monitorLimit
      if (isBehind !== wasBehind) onMonitorBehind?.(isBehind, messages)
      wasBehind = isBehind
      return isBehind
    },
  }
}
