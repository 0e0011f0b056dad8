import { laneOf, taskId, type TaskItem, type TaskMessage } from '@blockmill/core'

import { seededRandom, type SeededRandom } from './seeded-random.ts'
import { WORK_CHAIN } from './work-system.ts'

/** What one seeded run does: so many rounds, each of which publishes, waits, and kills a worker. */
export interface ChaosPlan {
  readonly rounds: readonly ChaosRound[]
}

export interface ChaosRound {
  readonly messages: readonly TaskMessage[]
  /** How long after they were published the kill comes. */
  readonly killAfterMs: number
  /** Which worker dies: this one of those that are up, counted round. */
  readonly victim: number
}

export const CHAOS_QUEUE = 'chaos'

/** Those named more often are more frequent. */
const TASKS = [
  'nothing',
  'nothing',
  'nothing',
  'waits',
  'waits',
  'waits',
  'fails-once',
  'fails-once',
  'postpones',
  'fails-always',
] as const

/** Two thirds of the messages carry one task, as at the head of a chain; the others are chunks, as in a back-fill. */
const CHUNK_SIZES = [1, 1, 1, 1, 1, 1, 2, 5, 20] as const

/** Plans a run over `tasks` blocks from `firstBlock` on, one task for each. The same seed gives the same plan. */
export function chaosPlan(
  seed: number,
  { tasks, firstBlock }: { readonly tasks: number; readonly firstBlock: number },
): ChaosPlan {
  const random = seededRandom(seed)
  const kills = random.integer(3, 6)
  const rounds = Array.from({ length: kills }, (_, round) => {
    const from = firstBlock + Math.floor((tasks * round) / kills)
    const to = firstBlock + Math.floor((tasks * (round + 1)) / kills) - 1
    return {
      messages: planMessages(random, from, to),
      killAfterMs: random.integer(0, 300),
      victim: random.integer(0, 100),
    }
  })
  return { rounds }
}

function planMessages(random: SeededRandom, from: number, to: number): TaskMessage[] {
  const messages: TaskMessage[] = []
  for (let block = from; block <= to;) {
    const size = Math.min(random.pick(CHUNK_SIZES), to - block + 1)
    messages.push(planMessage(random, block, size))
    block += size
  }
  return messages
}

function planMessage(random: SeededRandom, firstBlock: number, size: number): TaskMessage {
  const task = random.pick(TASKS)
  const priority = random.pick([0, 10, 20])
  const items = Array.from({ length: size }, (_, index): TaskItem => {
    const block = { number: firstBlock + index }
    const args = task === 'waits' ? { ms: random.integer(1, 100) } : {}
    return { id: taskId({ chain: WORK_CHAIN, task, args, block }), block, args }
  })
  return {
    v: 1,
    chain: WORK_CHAIN,
    task,
    queue: CHAOS_QUEUE,
    lane: laneOf(priority),
    priority,
    attempt: 1,
    postpones: 0,
    maxAttempts: 2,
    scheduledAt: new Date().toISOString(),
    cause: 'live',
    items,
  }
}
