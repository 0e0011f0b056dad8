import { unlessAborted } from '@blockmill/core'

import { createProgressMeter, type ProgressMeter } from '../backfill/progress-meter.ts'
import { nameBlocks } from '../backfill/backfill-notes.ts'
import { publishTasks } from '../follower/publish-tasks.ts'
import { batchMessage } from './batch-message.ts'
import { fairShares, queueLevel } from './fair-shares.ts'
import type { BatchMoved, JobSurvey } from './job-store.ts'
import { planBatches } from './plan-batches.ts'
import type { RangeJobPorts } from './range-job-ports.ts'
import type { RangeJobRun } from './range-job-run.ts'

/** Batches that are put on record at once. */
const PLANNED_AT_ONCE = 5_000
/** How long what is known of the workers counts. */
const SLOTS_LAST_MS = 2_000
/** Over which time it is counted how many batches end. */
const LATELY_MS = 2_000
const BEHIND = 'it waits until the monitor has caught up: nothing is dispatched before'

export interface BatchDispatcherOptions {
  readonly ports: RangeJobPorts
  /** Does something for one job: what it throws is that job's trouble, and no other's. */
  readonly attempt: (run: RangeJobRun, work: () => Promise<void>) => Promise<void>
}

/** A job, and what is on record of its batches. */
interface Surveyed {
  readonly run: RangeJobRun
  readonly survey: JobSurvey
}

/**
 * Puts the batches of running jobs on record, page by page, publishes those whose turn it is, and ends jobs that have none left.
 *
 * A batch is marked as queued when the broker has confirmed its task. A scheduler that ends in between publishes it again: under
 * the same id, as the same run.
 */
export class BatchDispatcher {
  readonly #options: BatchDispatcherOptions
  readonly #ended = new Map<string, ProgressMeter>()
  #slots: ReadonlyMap<string, number> = new Map()
  #slotsAtMs = Number.NEGATIVE_INFINITY

  constructor(options: BatchDispatcherOptions) {
    this.#options = options
  }

  /** Batches of these jobs have moved on. */
  ended(moved: readonly BatchMoved[], runs: ReadonlyMap<string, RangeJobRun>): void {
    const nowMs = this.#options.ports.clock()
    for (const { batch } of moved) {
      const queue = runs.get(batch.job)?.terms.queue
      if (queue === undefined) continue
      const meter = this.#ended.get(queue) ?? createProgressMeter(nowMs - LATELY_MS, LATELY_MS, LATELY_MS / 20)
      meter.add(1, nowMs)
      this.#ended.set(queue, meter)
    }
  }

  /** @returns how many batches were planned, published or found to be the last. */
  async dispatch(all: readonly RangeJobRun[]): Promise<number> {
    const { ports, attempt } = this.#options
    const { store, pressure, abandoned } = ports
    const runs = all.filter(({ isRunning }) => isRunning)
    if (runs.length === 0) return 0
    const surveys = await unlessAborted(store.survey(runs.map(({ job }) => job.id)), abandoned)
    const byId = new Map(surveys.map((survey) => [survey.job, survey]))
    const surveyed = runs.flatMap((run) => {
      const survey = byId.get(run.job.id)
      return survey === undefined ? [] : [{ run, survey }]
    })
    let done = 0
    for (const one of surveyed) {
      await attempt(one.run, async () => {
        done += await this.#plan(one)
        done += await this.#finish(one)
      })
    }
    if (await unlessAborted(pressure.isMonitorBehind(), abandoned)) {
      for (const { run, survey } of surveyed) if (hasMore(run, survey)) run.trouble = BEHIND
      return done
    }
    for (const [run, count] of await this.#shares(surveyed)) {
      if (ports.stopping.aborted) return done
      await attempt(run, async () => {
        done += await this.#publish(run, count)
      })
    }
    return done
  }

  async #plan({ run, survey }: Surveyed): Promise<number> {
    const { store, abandoned } = this.#options.ports
    const { job, terms } = run
    const batches = planBatches(job, terms, survey.plannedTo ?? undefined, PLANNED_AT_ONCE)
    if (batches.length > 0) await unlessAborted(store.plan(job.id, batches), abandoned)
    return batches.length
  }

  async #finish({ run: { job }, survey }: Surveyed): Promise<number> {
    const { store, abandoned, logger } = this.#options.ports
    if (survey.plannedTo !== job.to || survey.hasPending || survey.queued > 0) return 0
    const { blocks, error } = await unlessAborted(store.failures(job.id), abandoned)
    const isComplete = blocks.length === 0
    const note = isComplete ? null : `missing: ${nameBlocks(blocks)}: ${(error?.message ?? 'unknown').slice(0, 500)}`
    await unlessAborted(store.finish(job.id, isComplete ? 'complete' : 'fail', note), abandoned)
    logger[isComplete ? 'info' : 'error']({ job: job.id, task: job.task, note }, 'a range job is over')
    return 1
  }

  /** What each job may dispatch now, by the queue that they share. */
  async #shares(surveyed: readonly Surveyed[]): Promise<readonly (readonly [RangeJobRun, number])[]> {
    const contenders = surveyed.filter(({ run, survey }) => hasMore(run, survey))
    const queues = Map.groupBy(contenders, ({ run: { terms } }) => terms.queue)
    const nowMs = this.#options.ports.clock()
    await this.#lookAtSlots(nowMs)
    return [...queues].flatMap(([queue, jobs]) => {
      const endedLately = ((this.#ended.get(queue)?.perSecond(nowMs) ?? 0) * LATELY_MS) / 1_000
      const level = queueLevel({ slots: this.#slots.get(queue) ?? 0, endedLately })
      const shares = fairShares(
        jobs.map(({ run, survey: { queued } }) => ({ id: run.job.id, queued, window: windowOf(run, queued) })),
        level,
      )
      return jobs.map(({ run }) => [run, shares.get(run.job.id) ?? 0] as const)
    })
  }

  async #lookAtSlots(nowMs: number): Promise<void> {
    if (nowMs - this.#slotsAtMs < SLOTS_LAST_MS) return
    const { store, abandoned } = this.#options.ports
    this.#slots = await unlessAborted(store.slots(), abandoned)
    this.#slotsAtMs = nowMs
  }

  async #publish(run: RangeJobRun, count: number): Promise<number> {
    if (count === 0) return 0
    const { store, broker, metrics, abandoned, finalized, now } = this.#options.ports
    const { job, terms } = run
    const upTo = terms.needsFinality ? finalized() : Number.MAX_SAFE_INTEGER
    const batches = await unlessAborted(store.pending(job.id, upTo, count), abandoned)
    run.isDry = batches.length < count
    if (batches.length === 0) {
      if (terms.needsFinality) run.trouble = `it waits for blocks to be final: the newest final block is ${upTo}`
      return 0
    }
    await unlessAborted(broker.declare(broker.topology.work(terms.queue)), abandoned)
    const scheduledAt = new Date(now())
    const messages = batches.map((batch) => batchMessage(job, terms, batch, scheduledAt))
    await unlessAborted(publishTasks(broker, messages), abandoned)
    await unlessAborted(store.dispatched(batches), abandoned)
    for (const message of messages) metrics.scheduled(message)
    return batches.length
  }
}

/** Whether it has batches that are not dispatched. */
function hasMore({ job }: RangeJobRun, { hasPending, plannedTo }: JobSurvey): boolean {
  return hasPending || plannedTo !== job.to
}

/** One that had nothing ready keeps room for one batch, to find out when it has more. */
function windowOf({ isDry, terms: { window } }: RangeJobRun, queued: number): number {
  return isDry ? Math.min(window, queued + 1) : window
}
