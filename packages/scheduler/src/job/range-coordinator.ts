import { type AnyRangeTaskDefinition, type RangeJob, RetryableError, unlessAborted } from '@blockmill/core'

import { backoffMs } from '../backoff.ts'
import { cancelTasks } from '../cancel-tasks.ts'
import { failureFields } from '../failure-fields.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import { pause } from '../wake-up.ts'
import { BatchDispatcher } from './batch-dispatcher.ts'
import type { BatchCount } from './job-store.ts'
import { obstacleOf, termsOf } from './job-terms.ts'
import { OutcomeCollector, type OutcomeCollectorOptions } from './outcome-collector.ts'
import type { RangeJobPorts } from './range-job-ports.ts'
import { RangeJobRun } from './range-job-run.ts'

/** Between two looks at the record: while batches move on, while they are only out, and while there are none. */
const MOVING_PAUSE_MS = 50
const BUSY_PAUSE_MS = 200
const IDLE_PAUSE_MS = 500
/** Between two reports to the record. */
const REPORT_EVERY_MS = 1_000
/** Between two counts of all batches: they may be a million. */
const COUNT_EVERY_MS = 15_000
/** Batches of a cancelled job that are called off in one step: other jobs wait for that. */
const CALLED_OFF_AT_ONCE = 10_000

export interface RangeCoordinatorOptions extends Omit<OutcomeCollectorOptions, 'ports'> {
  readonly ports: RangeJobPorts
  readonly definitions: readonly AnyRangeTaskDefinition[]
}

/** What the range jobs that are not over have to do. */
export interface RangeBacklog {
  readonly jobs: readonly Pick<RangeJob, 'task' | 'state'>[]
  readonly batches: readonly Pick<BatchCount, 'state' | 'batches'>[]
  readonly tasks: readonly {
    readonly task: string
    /** Blocks of batches that have not ended, planned or not. */
    readonly blocks: number
    /** Over the last minute. */
    readonly blocksPerSecond: number
  }[]
}

/**
 * Runs the range jobs of a chain while its scheduler leads. A few times a second it looks at the record: it takes up jobs that are
 * pending, has batches move on whose tasks are over, dispatches others in their place, calls off those of cancelled jobs, and
 * ends jobs that have none left. All that counts is on record, so that the next leader goes on where this one was.
 *
 * A paused job is watched: what it has queued runs on. A job that cannot run waits, and its note says what for.
 */
export class RangeCoordinator {
  readonly #ports: RangeJobPorts
  readonly #definitions: ReadonlyMap<string, AnyRangeTaskDefinition>
  readonly #collector: OutcomeCollector
  readonly #dispatcher: BatchDispatcher
  readonly #runs = new Map<string, RangeJobRun>()
  /** What jobs wait for that do not run. */
  readonly #waiting = new Map<string, string>()
  #open: readonly RangeJob[] = []
  #counts: readonly BatchCount[] = []
  #reportedAtMs = Number.NEGATIVE_INFINITY
  #countedAtMs = Number.NEGATIVE_INFINITY

  constructor({ ports, definitions, ...limits }: RangeCoordinatorOptions) {
    this.#ports = ports
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]))
    this.#collector = new OutcomeCollector({ ports, ...limits })
    this.#dispatcher = new BatchDispatcher({ ports, attempt: (run, work) => this.#attempt(run, work) })
  }

  /** What the jobs still have to do that are not over. */
  backlog(): RangeBacklog {
    const byTask = Map.groupBy(this.#open, ({ task }) => task)
    const nowMs = this.#ports.clock()
    return {
      jobs: this.#open,
      batches: this.#counts,
      tasks: Array.from(byTask, ([task, jobs]) => ({
        task,
        blocks: jobs.reduce((sum, job) => sum + this.#blocksLeft(job), 0),
        blocksPerSecond: jobs.reduce((sum, { id }) => sum + (this.#runs.get(id)?.blocksPerSecond(nowMs) ?? 0), 0),
      })),
    }
  }

  /** Resolves when stopped, with nothing in flight. */
  async run(): Promise<void> {
    const { stopping, abandoned, onLeaseLost, logger } = this.#ports
    for (let failures = 0; !stopping.aborted;) {
      let pauseMs
      try {
        const moves = await this.#step()
        pauseMs = moves > 0 ? MOVING_PAUSE_MS : this.#runs.size > 0 ? BUSY_PAUSE_MS : IDLE_PAUSE_MS
        failures = 0
      } catch (error) {
        if (abandoned.aborted) return
        if (isLeaseLost(error)) return onLeaseLost(error)
        failures += 1
        pauseMs = backoffMs(failures)
        const level = error instanceof RetryableError ? 'warn' : 'error'
        logger[level]({ ...failureFields(error), retryInMs: pauseMs }, 'range jobs could not go on; trying again')
      }
      await pause(pauseMs, stopping)
    }
  }

  /** @returns how much has happened. */
  async #step(): Promise<number> {
    const { store, abandoned } = this.#ports
    this.#open = await unlessAborted(store.open(), abandoned)
    this.#forgetOthers()
    let calledOff = 0
    for (const job of this.#open) {
      if (job.state !== 'cancelled') await this.#takeUp(job)
      else calledOff += await this.#callOff(job)
    }
    const moved = await this.#collector.collect(this.#runs)
    this.#dispatcher.ended(moved, this.#runs)
    for (const run of this.#runs.values()) await this.#pauseIfHopeless(run)
    const dispatched = await this.#dispatcher.dispatch([...this.#runs.values()])
    await this.#report()
    await this.#count()
    return moved.length + dispatched + calledOff
  }

  #forgetOthers(): void {
    const open = new Set(this.#open.map(({ id }) => id))
    for (const known of [this.#runs, this.#waiting]) {
      for (const id of known.keys()) if (!open.has(id)) known.delete(id)
    }
  }

  async #takeUp(job: RangeJob): Promise<void> {
    const known = this.#runs.get(job.id)
    known?.follow(job)
    if (known !== undefined && job.state !== 'pending') return
    const definition = this.#definitions.get(job.task)
    const obstacle = obstacleOf(job, definition)
    if (obstacle !== undefined || definition === undefined) {
      this.#waiting.set(job.id, obstacle ?? '')
      return
    }
    this.#waiting.delete(job.id)
    const { defaultMaxAttempts, clock, store, abandoned, logger } = this.#ports
    const terms = termsOf(job, definition, defaultMaxAttempts)
    const run = new RangeJobRun(job, terms, clock())
    if (job.state === 'pending') {
      await unlessAborted(store.start(job.id, terms), abandoned)
      // Unless somebody has paused it in between, which the next look tells.
      run.follow({ ...job, state: 'running' })
      const { id, task, from, to } = job
      logger.info({ job: id, task, from, to, batchSize: terms.batchSize }, 'running a range job')
    }
    this.#runs.set(job.id, run)
  }

  /** @returns 1 while there is more to call off. */
  async #callOff({ id, task, chain }: RangeJob): Promise<number> {
    const { store, broker, abandoned, logger, now } = this.#ports
    this.#runs.delete(id)
    this.#waiting.delete(id)
    const tasks = await unlessAborted(store.queuedTasks(id), abandoned)
    const order = { by: `scheduler of ${chain}`, nowMs: now() }
    await unlessAborted(cancelTasks(broker, tasks, order), abandoned)
    if (!(await unlessAborted(store.callOff(id, CALLED_OFF_AT_ONCE), abandoned))) return 1
    logger.info({ job: id, task }, 'a range job was cancelled: its batches are called off')
    return 0
  }

  async #pauseIfHopeless(run: RangeJobRun): Promise<void> {
    const { hopelessness } = run
    if (!run.isRunning || hopelessness === undefined) return
    const { store, abandoned, logger } = this.#ports
    await unlessAborted(store.pause(run.job.id, hopelessness), abandoned)
    run.follow({ ...run.job, state: 'paused' })
    logger.error({ job: run.job.id, task: run.job.task, note: hopelessness }, 'a range job was paused')
  }

  async #attempt(run: RangeJobRun, work: () => Promise<void>): Promise<void> {
    const { abandoned, logger } = this.#ports
    run.trouble = null
    try {
      await work()
    } catch (error) {
      if (abandoned.aborted || isLeaseLost(error)) throw error
      run.trouble = `batches could not be dispatched: ${error instanceof Error ? error.message : String(error)}`
      const level = error instanceof RetryableError ? 'warn' : 'error'
      logger[level]({ ...failureFields(error), job: run.job.id }, 'batches could not be dispatched; trying again')
    }
  }

  async #report(): Promise<void> {
    const { store, abandoned, clock } = this.#ports
    const nowMs = clock()
    if (nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return
    this.#reportedAtMs = nowMs
    const reports = [
      ...Array.from(this.#runs, ([job, run]) => ({
        job,
        blocksPerSecond: run.blocksPerSecond(nowMs),
        rowsPerSecond: run.rowsPerSecond(nowMs),
        note: run.note,
      })),
      ...Array.from(this.#waiting, ([job, note]) => ({ job, blocksPerSecond: null, rowsPerSecond: null, note })),
    ]
    if (reports.length > 0) await unlessAborted(store.report(reports), abandoned)
  }

  async #count(): Promise<void> {
    const { store, abandoned, clock } = this.#ports
    if (clock() - this.#countedAtMs < COUNT_EVERY_MS && this.#open.length > 0) return
    this.#countedAtMs = clock()
    const jobs = this.#open.map(({ id }) => id)
    this.#counts = jobs.length === 0 ? [] : await unlessAborted(store.counts(jobs), abandoned)
  }

  #blocksLeft({ id, from, to }: RangeJob): number {
    const ended = this.#counts.filter(({ job, state }) => job === id && ENDED.includes(state))
    return to - from + 1 - ended.reduce((sum, { blocks }) => sum + blocks, 0)
  }
}

const ENDED: readonly BatchCount['state'][] = ['succeeded', 'failed', 'cancelled']
