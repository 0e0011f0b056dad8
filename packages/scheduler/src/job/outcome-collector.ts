import { type RowsManifest, unlessAborted } from '@blockmill/core'

import type { Batch, EndedBatch } from './batch.ts'
import type { BatchMoved } from './job-store.ts'
import type { RangeJobPorts } from './range-job-ports.ts'
import type { RangeJobRun } from './range-job-run.ts'

/** Batches that are read at once: a result may have 256 KiB. */
const ENDED_AT_ONCE = 200
/** Between two looks for batches whose tasks are not on record. */
const LOOK_FOR_LOST_EVERY_MS = 30_000
/** A task that nobody knows of after so long is lost: its messages were purged, or it was pruned before this was looked at. */
const UNRECORDED_AFTER_MS = 10 * 60_000
/** Rows that are not stored so long after their queue was seen empty are lost. */
const ROWS_LOST_AFTER_MS = 60_000

export interface OutcomeCollectorOptions {
  readonly ports: RangeJobPorts
  /** Default 1 minute. */
  readonly rowsLostAfterMs?: number | undefined
  /** Default 10 minutes. */
  readonly unrecordedAfterMs?: number | undefined
}

interface AwaitedRows {
  readonly batch: Batch
  readonly manifest: RowsManifest
  /** Since when the queue of rows was empty at each look; in milliseconds of a clock that never jumps. */
  sinceMs: number
}

/**
 * Learns from the record what became of the tasks of queued batches, and has the batches move on. A task that has succeeded makes its
 * batch succeed once all rows that it names are stored. Those that stay away although none are on their way are lost, and the
 * batch runs anew; so does one whose task is not on record at all.
 */
export class OutcomeCollector {
  readonly #ports: RangeJobPorts
  readonly #rowsLostAfterMs: number
  readonly #unrecordedAfterMs: number
  /** By the id of their task. */
  readonly #awaited = new Map<string, AwaitedRows>()
  #lookedForLostAtMs: number

  constructor({
    ports,
    rowsLostAfterMs = ROWS_LOST_AFTER_MS,
    unrecordedAfterMs = UNRECORDED_AFTER_MS,
  }: OutcomeCollectorOptions) {
    this.#ports = ports
    this.#rowsLostAfterMs = rowsLostAfterMs
    this.#unrecordedAfterMs = unrecordedAfterMs
    this.#lookedForLostAtMs = ports.clock()
  }

  /** @returns the batches that have moved on. */
  async collect(runs: ReadonlyMap<string, RangeJobRun>): Promise<readonly BatchMoved[]> {
    const { store, clock } = this.#ports
    const jobs = [...runs.keys()]
    for (const [taskId, { batch }] of this.#awaited) if (!runs.has(batch.job)) this.#awaited.delete(taskId)
    if (jobs.length === 0) return []
    const moved: BatchMoved[] = []
    for (let isMore = true; isMore;) {
      const ended = await this.#within(store.ended(jobs, [...this.#awaited.keys()], ENDED_AT_ONCE))
      isMore = ended.length === ENDED_AT_ONCE
      const decided = ended.flatMap((batch) => this.#decide(batch, runs))
      moved.push(...(await this.#move([...decided, ...(await this.#rowsArrived(runs))], runs)))
    }
    const lost = [...(await this.#rowsLost()), ...(await this.#tasksLost(jobs, clock()))]
    moved.push(...(await this.#move(lost, runs)))
    this.#countAwaited(runs)
    return moved
  }

  /** One that has succeeded is put aside until its rows are there. */
  #decide(batch: EndedBatch, runs: ReadonlyMap<string, RangeJobRun>): BatchMoved[] {
    const run = runs.get(batch.job)
    if (run === undefined) return []
    const outcome = run.outcomeOf(batch)
    if (outcome.type !== 'succeeded') return [run.moveOf(batch, outcome)]
    this.#awaited.set(batch.taskId, { batch, manifest: outcome.manifest, sinceMs: this.#ports.clock() })
    return []
  }

  async #rowsArrived(runs: ReadonlyMap<string, RangeJobRun>): Promise<BatchMoved[]> {
    const waiting = [...this.#awaited.values()]
    const named = waiting.map(({ batch: { taskId }, manifest: { parts } }) => ({ taskId, parts }))
    const withRows = named.filter(({ parts }) => parts.length > 0)
    const complete = withRows.length === 0 ? new Set() : await this.#within(this.#ports.store.complete(withRows))
    return waiting.flatMap(({ batch, manifest }) => {
      const run = runs.get(batch.job)
      const isComplete = manifest.parts.length === 0 || complete.has(batch.taskId)
      return run === undefined || !isComplete ? [] : [run.moveOf(batch, { type: 'succeeded', manifest })]
    })
  }

  async #rowsLost(): Promise<BatchMoved[]> {
    if (this.#awaited.size === 0) return []
    const { broker, clock, logger, now } = this.#ports
    const depth = await this.#within(broker.depth(broker.topology.resultsQueue))
    const isEmpty = depth?.messages === 0
    const nowMs = clock()
    const lost: BatchMoved[] = []
    for (const awaited of this.#awaited.values()) {
      if (!isEmpty) awaited.sinceMs = nowMs
      if (nowMs - awaited.sinceMs < this.#rowsLostAfterMs) continue
      const { batch } = awaited
      const { job, taskId, from, to } = batch
      logger.warn({ job, taskId, from, to }, 'rows of a batch are gone: it runs anew')
      lost.push({ batch, state: 'pending', generation: Math.max(batch.generation + 1, now()) })
    }
    return lost
  }

  async #tasksLost(jobs: readonly string[], nowMs: number): Promise<BatchMoved[]> {
    if (nowMs - this.#lookedForLostAtMs < Math.min(LOOK_FOR_LOST_EVERY_MS, this.#unrecordedAfterMs)) return []
    this.#lookedForLostAtMs = nowMs
    const { broker, store, logger, now } = this.#ports
    const depth = await this.#within(broker.depth(broker.topology.monitorQueue))
    if (depth === undefined || depth.messages > 0) return []
    const before = new Date(now() - this.#unrecordedAfterMs)
    const lost = await this.#within(store.unrecorded(jobs, before, ENDED_AT_ONCE))
    if (lost.length > 0)
      logger.warn({ batches: lost.length }, 'tasks of batches are not on record: they are published again')
    // Under the same generation: should a message be somewhere after all, it is the same run of the same task.
    return lost.map((batch) => ({ batch, state: 'pending' }))
  }

  async #move(moved: readonly BatchMoved[], runs: ReadonlyMap<string, RangeJobRun>): Promise<readonly BatchMoved[]> {
    if (moved.length === 0) return []
    const { store, clock } = this.#ports
    await this.#within(store.move(moved))
    for (const one of moved) {
      this.#awaited.delete(one.batch.taskId)
      runs.get(one.batch.job)?.moved(one, clock())
      if (one.state === 'failed') this.#tell(one)
    }
    return moved
  }

  #tell({ batch: { job, taskId, from, to }, error }: BatchMoved): void {
    this.#ports.logger.error({ job, taskId, from, to, reason: error?.message }, 'a batch of a range job has failed')
  }

  #countAwaited(runs: ReadonlyMap<string, RangeJobRun>): void {
    for (const run of runs.values()) run.awaitingRows = 0
    for (const { batch } of this.#awaited.values()) {
      const run = runs.get(batch.job)
      if (run !== undefined) run.awaitingRows += 1
    }
  }

  #within<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.#ports.abandoned)
  }
}
