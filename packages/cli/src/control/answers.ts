import type { ControlReply } from '@blockmill/core'

import { EXIT_STATUS } from '../exit-status.ts'

/** Who answered an order, by name. */
export interface Answers {
  readonly workers: readonly string[]
  readonly monitors: readonly string[]
  /** Running tasks that were cancelled. */
  readonly running: number
}

/** What workers say that they are doing. */
export type WorkerStats = Extract<ControlReply, { type: 'worker-stats' }>

/** The answers of workers to a question for their work, by name. */
export function workerStats(replies: readonly ControlReply[]): WorkerStats[] {
  return replies.filter((reply) => reply.type === 'worker-stats').sort((a, b) => (a.from < b.from ? -1 : 1))
}

/** Sorts answers by who gave them. */
export function answersOf(replies: readonly ControlReply[]): Answers {
  const names = (roles: readonly ControlReply['type'][]): string[] =>
    replies
      .filter(({ type }) => roles.includes(type))
      .map(({ from }) => from)
      .sort()
  return {
    workers: names(['worker', 'worker-stats']),
    monitors: names(['monitor', 'monitor-stats']),
    running: replies.reduce((sum, reply) => sum + (reply.type === 'worker' ? (reply.running ?? 0) : 0), 0),
  }
}

/**
 * Says who has heard of an order.
 *
 * @returns the exit status: a failure when nobody has.
 */
export function reportOrder(done: string, replies: readonly ControlReply[], { json = false } = {}): number {
  const answers = answersOf(replies)
  const { workers, monitors } = answers
  process.stdout.write(`${json ? JSON.stringify(answers) : `${done} Heard by ${count(workers, 'worker')}.`}\n`)
  if (monitors.length === 0) {
    process.stderr.write('No monitor answered: workers that start later will not know. Give the order again then.\n')
  }
  return workers.length + monitors.length > 0 ? EXIT_STATUS.ok : EXIT_STATUS.failure
}

function count(names: readonly string[], what: string): string {
  return `${names.length} ${what}${names.length === 1 ? '' : 's'}${names.length === 0 ? '' : `: ${names.join(', ')}`}`
}
