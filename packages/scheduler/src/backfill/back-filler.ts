import {
  type AnyTaskDefinition,
  type BackfillJob,
  difference,
  intersection,
  RetryableError,
  unlessAborted,
} from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import { laneDepth } from '../pressure/lane-depth.ts'
import type { BackfillBacklog } from '../scheduler-metrics.ts'
import { pause } from '../wake-up.ts'
import { createBackfillPart } from './backfill-part.ts'
import type { BackfillPorts, FillableCoverage } from './backfill-ports.ts'
import { BackfillRun } from './backfill-run.ts'
import { createQueueWindow, type QueueWindow } from './queue-window.ts'

/** How often the record is looked at for jobs that are new, or were paused or cancelled. */
const LOOK_EVERY_MS = 1_000

export interface BackFillerOptions {
  readonly ports: BackfillPorts
  readonly definitions: readonly AnyTaskDefinition[]
  /** Milliseconds of a clock that never jumps; default the process's. */
  readonly clock?: () => number
}

interface ActiveRun {
  readonly run: BackfillRun
  readonly stop: AbortController
}

/**
 * Runs the back-fill jobs of a chain while its scheduler leads: every second it looks at the record, takes up jobs that are
 * pending or running there, and stops those that no longer are. Each job runs by itself, beside the followers of the head.
 */
export class BackFiller {
  readonly #ports: BackfillPorts
  readonly #definitions: ReadonlyMap<string, AnyTaskDefinition>
  readonly #clock: () => number
  readonly #runs = new Map<string, ActiveRun>()
  readonly #windows = new Map<string, QueueWindow>()
  /** What jobs wait for that do not run. */
  readonly #waiting = new Map<string, string>()
  readonly #ending = new Set<Promise<void>>()

  constructor({ ports, definitions, clock = () => performance.now() }: BackFillerOptions) {
    this.#ports = ports
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]))
    this.#clock = clock
  }

  /** What the jobs that run still have to do, by task. */
  backlog(): readonly BackfillBacklog[] {
    const byTask = new Map<string, BackfillBacklog>()
    for (const { run } of this.#runs.values()) {
      const sum = byTask.get(run.task) ?? { task: run.task, blocks: 0, blocksPerSecond: 0 }
      const blocksPerSecond = sum.blocksPerSecond + run.blocksPerSecond
      byTask.set(run.task, { task: run.task, blocks: sum.blocks + run.remainingBlocks, blocksPerSecond })
    }
    return [...byTask.values()]
  }

  /** Resolves when stopped, with nothing in flight. */
  async run(): Promise<void> {
    const { stopping } = this.#ports
    while (!stopping.aborted) {
      await this.#try(() => this.#look(), 'the back-fill jobs could not be read; trying again')
      await pause(LOOK_EVERY_MS, stopping)
    }
    for (const { stop } of this.#runs.values()) stop.abort()
    await Promise.all(this.#ending)
  }

  async #look(): Promise<void> {
    const { store, abandoned, stopping } = this.#ports
    const running = new Set(this.#runs.keys())
    const jobs = await unlessAborted(store.open(), abandoned)
    const open = new Set(jobs.map(({ id }) => id))
    for (const [id, { stop }] of this.#runs) if (!open.has(id)) stop.abort()
    for (const id of this.#waiting.keys()) if (!open.has(id)) this.#waiting.delete(id)
    for (const job of jobs) {
      if (stopping.aborted) return
      // It has ended since the record was read: the next look tells what became of it.
      if (running.has(job.id) && !this.#runs.has(job.id)) continue
      await this.#try(() => this.#takeUp(job), 'a back-fill job could not be taken up; trying again', job)
    }
    await this.#report()
  }

  async #takeUp(job: BackfillJob): Promise<void> {
    const { store, stopping } = this.#ports
    const active = this.#runs.get(job.id)
    if (active !== undefined) {
      // Resumed before its pause was noticed. One whose run is ending is taken up when that has ended.
      if (job.state === 'pending' && !active.stop.signal.aborted) await store.start(job.id, [])
      return
    }
    const definition = this.#definitions.get(job.task)
    if (definition === undefined || definition.head !== job.head) {
      this.#waiting.set(job.id, obstacleOf(job, definition))
      return
    }
    const run = await this.#prepare(job, definition)
    this.#waiting.delete(job.id)
    if (stopping.aborted) return
    const ended = this.#follow(job, run).finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }

  /** Puts a job's parts on record when it is new, and makes its run from what is on record. */
  async #prepare(job: BackfillJob, definition: AnyTaskDefinition): Promise<BackfillRun> {
    const { store, abandoned, openCoverage } = this.#ports
    const known = await unlessAborted(store.parts(job.id), abandoned)
    const argsList = known.length > 0 ? known.map(({ args }) => args) : job.args === null ? undefined : [job.args]
    const fillable = await unlessAborted(openCoverage(definition, argsList), abandoned)
    const isNew = known.length === 0
    const planned = isNew ? fillable.map((one) => ({ ...partOf(job, one), evaluated: [] })) : known
    if (job.state === 'pending') await unlessAborted(store.start(job.id, isNew ? planned : []), abandoned)
    const parts = planned.flatMap((part) => {
      const coverage = fillable.find((one) => one.coverage.argsHash === part.argsHash)?.coverage
      return coverage === undefined ? [] : [createBackfillPart(part, coverage, job.force)]
    })
    const { id, task, from, to } = job
    const ports = { ...this.#ports, logger: this.#ports.logger.child({ backfill: id, task }) }
    ports.logger.info({ from, to, sets: parts.length, isNew }, 'back-filling')
    const window = this.#windowOf(definition.backfill.queue)
    return new BackfillRun({ job, definition, parts, window, ports, clock: this.#clock })
  }

  async #follow(job: BackfillJob, run: BackfillRun): Promise<void> {
    const { stopping, store, logger } = this.#ports
    const stop = new AbortController()
    this.#runs.set(job.id, { run, stop })
    const end = await run.run(AbortSignal.any([stop.signal, stopping]))
    if (end !== 'stopped') {
      await this.#try(async () => {
        await store.adopt(job.id)
        const error = end === 'failed' ? run.givenUp : null
        await store.finish(job.id, end === 'failed' ? 'fail' : 'complete', error)
        logger[end === 'failed' ? 'error' : 'info']({ backfill: job.id, task: job.task, error }, `back-fill ${end}`)
      }, 'the end of a back-fill job could not be written; it is taken up again')
    }
    this.#runs.delete(job.id)
  }

  async #report(): Promise<void> {
    const { store, abandoned } = this.#ports
    const reports = [
      ...Array.from(this.#runs, ([job, { run }]) => ({ job, blocksPerSecond: run.blocksPerSecond, note: run.note })),
      ...Array.from(this.#waiting, ([job, note]) => ({ job, blocksPerSecond: null, note })),
    ]
    if (reports.length > 0) await unlessAborted(store.report(reports), abandoned)
  }

  #windowOf(queue: string): QueueWindow {
    const { broker } = this.#ports
    const known = this.#windows.get(queue)
    if (known !== undefined) return known
    const lane = broker.topology.workQueue(queue, 'low')
    const window = createQueueWindow({ depth: () => laneDepth(broker, lane), now: this.#clock })
    this.#windows.set(queue, window)
    return window
  }

  async #try(work: () => Promise<void>, failure: string, job?: BackfillJob): Promise<void> {
    const { abandoned, logger, onLeaseLost } = this.#ports
    try {
      await work()
    } catch (error) {
      if (abandoned.aborted) return
      if (isLeaseLost(error)) {
        onLeaseLost(error)
        return
      }
      if (job !== undefined) this.#waiting.set(job.id, error instanceof Error ? error.message : String(error))
      const level = error instanceof RetryableError ? 'warn' : 'error'
      logger[level]({ ...failureFields(error), backfill: job?.id, retryInMs: LOOK_EVERY_MS }, failure)
    }
  }
}

/** Why a job cannot run here, and what to do. */
function obstacleOf(job: BackfillJob, definition: AnyTaskDefinition | undefined): string {
  return definition === undefined
    ? `it waits: the scheduler that leads chain '${job.chain}' knows no task '${job.task}'; deploy it there, or cancel this back-fill`
    : `it waits: task '${job.task}' follows the ${definition.head} head now, not the ${job.head} one; cancel this back-fill and start it anew`
}

/** Blocks that the coverage lacks, or all that were asked for when forced; those of the live run are left to it. */
function partOf(job: BackfillJob, { coverage, upTo }: FillableCoverage) {
  const asked = intersection([{ from: job.from, to: job.to }], upTo < 0 ? [] : [{ from: 0, to: upTo }])
  const target = job.force ? asked : difference(asked, coverage.evaluated)
  return { argsHash: coverage.argsHash, args: coverage.args, target }
}
