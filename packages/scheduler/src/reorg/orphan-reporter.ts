import { type Logger, unlessAborted } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { createWakeUp } from '../wake-up.ts'
import type { OrphanStore } from './orphan-store.ts'
import { cancelOrphaned, type OrphanedTask, type OrphanPorts, publishOrphaned } from './orphaned-events.ts'
import type { OrphanedBlock } from './branch-store.ts'
import type { RecentTasks } from './recent-tasks.ts'

const LONGEST_PAUSE_MS = 60_000
/** Tasks that are remembered as reported; of more, some are reported once more. */
const MOST_REPORTED = 50_000

export interface OrphanReporterOptions extends OrphanPorts {
  readonly store: OrphanStore
  readonly recent: RecentTasks
  /** Names of the tasks that follow `latest`. */
  readonly names: () => readonly string[]
  readonly stopping: AbortSignal
  readonly abandoned: AbortSignal
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'orphaned'>
}

/**
 * Reports the tasks of replaced blocks as orphaned, and calls off those that wait or run.
 *
 * Which tasks those are, two places know together. The record has all that the monitor has stored, also those that an earlier
 * leader has scheduled, but it may be behind. This process remembers what it has scheduled lately, in a bounded memory that is
 * gone when it ends. So what is remembered is reported at once, and the record is asked at once and again, after a second, two,
 * four, up to every minute, for as long as replaced blocks are on record: a day at least. What the monitor stores late is found
 * then, and a crash anywhere leads to the same end. Tasks whose id or outcome nobody knows yet cannot be missed for good.
 *
 * Idle: no replaced blocks are on record; a reorganisation starts it. Reporting: asks, publishes, waits. Stopped for good.
 */
export class OrphanReporter {
  readonly #options: OrphanReporterOptions
  readonly #wakeUp = createWakeUp()
  readonly #reported = new Set<string>()
  #replaced: readonly OrphanedBlock[] = []

  constructor(options: OrphanReporterOptions) {
    this.#options = options
  }

  /** The chain has replaced these blocks, and that is on record. */
  report(blocks: readonly OrphanedBlock[]): void {
    this.#replaced = [...this.#replaced, ...blocks]
    this.#wakeUp.notify()
  }

  /** Resolves when stopped, with nothing in flight. */
  async run(): Promise<void> {
    const { stopping, abandoned, logger } = this.#options
    for (let pauseMs = 1_000; !stopping.aborted;) {
      const isNew = this.#replaced.length > 0
      let remain = true
      try {
        remain = await unlessAborted(this.#reportAll(), abandoned)
      } catch (error) {
        if (abandoned.aborted) return
        logger.warn({ ...failureFields(error) }, 'orphaned tasks could not be reported; trying again')
      }
      pauseMs = isNew ? 1_000 : Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
      await this.#wakeUp.wait(stopping, remain ? pauseMs : undefined)
    }
  }

  /** @returns whether replaced blocks are left on record. */
  async #reportAll(): Promise<boolean> {
    const { store, recent, names } = this.#options
    const replaced = this.#replaced
    const generations = new Map(replaced.map(({ hash, generation }) => [hash, generation]))
    const remembered = recent
      .of(generations)
      .map((task) => ({ ...task, generation: generations.get(task.hash) ?? 0, isLive: true }))
    await this.#publish(remembered)
    this.#replaced = this.#replaced.slice(replaced.length)
    await this.#publish(await store.tasksToOrphan(names()))
    return store.forget()
  }

  async #publish(found: readonly (OrphanedTask & { readonly isLive: boolean })[]): Promise<void> {
    const { metrics, logger } = this.#options
    const keyOf = ({ id, generation }: OrphanedTask): string => `${id} ${generation}`
    const tasks = found.filter((task) => !this.#reported.has(keyOf(task)))
    if (tasks.length === 0) return
    // Called off first: what starts meanwhile would run for nothing.
    await cancelOrphaned(
      this.#options,
      tasks.filter(({ isLive }) => isLive),
    )
    await publishOrphaned(this.#options, tasks)
    if (this.#reported.size > MOST_REPORTED) this.#reported.clear()
    for (const task of tasks) {
      this.#reported.add(keyOf(task))
      metrics.orphaned(task.task)
    }
    logger.info({ tasks: tasks.length }, 'tasks of replaced blocks were reported as orphaned')
  }
}
