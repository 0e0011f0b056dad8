import type { TaskMessage } from '@blockmill/core'

/** Most tasks that are remembered; those of the blocks that were scheduled first are forgotten first. */
const REMEMBERED = 50_000

/** A task of a block that may be replaced. */
export interface RecentTask {
  readonly id: string
  readonly task: string
  readonly block: number
}

/** What this process has lately scheduled for blocks on `latest`, and the monitor may not have recorded yet. */
export interface RecentTasks {
  /** Called before the messages are published. */
  add(messages: readonly TaskMessage[]): void
  /** The tasks of blocks with this hash. */
  of(hash: string): readonly RecentTask[]
}

export function createRecentTasks(remembered: number = REMEMBERED): RecentTasks {
  const byHash = new Map<string, RecentTask[]>()
  let count = 0

  const forget = (): void => {
    for (const [hash, tasks] of byHash) {
      if (count <= remembered) return
      byHash.delete(hash)
      count -= tasks.length
    }
  }

  return {
    add(messages) {
      for (const { task, items } of messages) {
        for (const { id, block } of items) {
          if (block?.hash === undefined) continue
          const tasks = byHash.get(block.hash) ?? []
          tasks.push({ id, task, block: block.number })
          byHash.set(block.hash, tasks)
          count += 1
        }
      }
      forget()
    },
    of: (hash) => byHash.get(hash) ?? [],
  }
}
