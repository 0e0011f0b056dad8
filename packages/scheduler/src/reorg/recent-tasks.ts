import type { TaskMessage } from '@blockmill/core'

/** Most tasks that are remembered; those that were scheduled first are forgotten first. */
const REMEMBERED = 50_000

/** A task of a block that may be replaced. */
export interface RecentTask {
  readonly id: string
  readonly task: string
  readonly block: number
  /** Hash of its block. */
  readonly hash: string
}

/** What this process has lately scheduled for blocks on `latest`, and the monitor may not have recorded yet. */
export interface RecentTasks {
  /** Called before the messages are published. */
  add(messages: readonly TaskMessage[]): void
  /** The tasks of blocks with these hashes. Looks at all that is remembered. */
  of(hashes: { has(hash: string): boolean }): readonly RecentTask[]
}

/** A ring, because a map through which every block passes grows until the next full garbage collection. */
export function createRecentTasks(remembered: number = REMEMBERED): RecentTasks {
  const ring: RecentTask[] = []
  let next = 0

  return {
    add(messages) {
      for (const { task, items } of messages) {
        for (const { id, block } of items) {
          if (block?.hash === undefined) continue
          ring[next] = { id, task, block: block.number, hash: block.hash }
          next = (next + 1) % remembered
        }
      }
    },
    of: (hashes) => ring.filter(({ hash }) => hashes.has(hash)),
  }
}
