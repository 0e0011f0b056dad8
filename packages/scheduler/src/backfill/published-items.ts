/** How many tasks the messages carry that were published to a lane, as far as they may still wait there. */
export interface PublishedItems {
  /** Messages that were just published, each with this many tasks. */
  add(messages: number, tasksEach: number): void
  /**
   * Tasks in the newest messages: a lane is first in, first out, so what waits there is what came last. Messages that
   * nobody knows of count as large as the largest known. Forgets all that is older.
   */
  newest(messages: number): number
}

interface Run {
  messages: number
  readonly tasksEach: number
}

/** Messages of one size that follow each other cost no more memory than one. */
export function createPublishedItems(): PublishedItems {
  let runs: Run[] = []
  let largest = 1

  return {
    add(messages, tasksEach) {
      if (messages === 0) return
      largest = Math.max(largest, tasksEach)
      const last = runs.at(-1)
      if (last?.tasksEach === tasksEach) last.messages += messages
      else runs.push({ messages, tasksEach })
    },

    newest(messages) {
      const kept: Run[] = []
      let left = messages
      let tasks = 0
      for (let index = runs.length - 1; index >= 0 && left > 0; index -= 1) {
        const run = runs[index] as Run
        const count = Math.min(left, run.messages)
        kept.push({ messages: count, tasksEach: run.tasksEach })
        tasks += count * run.tasksEach
        left -= count
      }
      runs = kept.toReversed()
      return tasks + left * largest
    },
  }
}
