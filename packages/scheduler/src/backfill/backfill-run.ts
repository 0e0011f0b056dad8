import {
  type AnyTaskDefinition,
  type BackfillJob,
  type BlockRange,
  DEFAULT_BACKFILL_WINDOW,
  isPeriodic,
  RetryableError,
  setSize,
  type TaskMessage,
  unlessAborted,
} from '@blockmill/core'

import { backoffMs } from '../backoff.ts'
import type { BlockClaim } from '../coverage/task-coverage.ts'
import { failureFields } from '../failure-fields.ts'
import { publishTasks } from '../follower/publish-tasks.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import { evaluateRange } from '../planner/evaluate-range.ts'
import { planMessages } from '../planner/plan-messages.ts'
import { pause } from '../wake-up.ts'
import type { BackfillPart } from './backfill-part.ts'
import type { BackfillPorts } from './backfill-ports.ts'
import { failureNote, givenUpNote } from './backfill-notes.ts'
import type { PartProgress } from './backfill-store.ts'
import { createEvaluationSlice } from './evaluation-slice.ts'
import { createProgressMeter } from './progress-meter.ts'
import type { QueueWindow, Room } from './queue-window.ts'
import { createTaskPace } from './task-pace.ts'

/** Most tasks of a step: a few milliseconds of work between two turns of the event loop. */
const MAX_TASKS_PER_STEP = 2_000
/** Most messages of a step: live blocks are published behind them, on the same channel. */
const MAX_MESSAGES_PER_STEP = 200
/** How long to yield before looking again. */
const YIELD_MS = 20
/** How long to wait for blocks that another job is about to evaluate. */
const CLAIMED_MS = 100

/** How a run of a job ended: all done, all but blocks whose condition fails, or it was stopped. */
export type RunEnd = 'completed' | 'failed' | 'stopped'

export interface BackfillRunOptions {
  readonly job: BackfillJob
  readonly definition: AnyTaskDefinition
  readonly parts: readonly BackfillPart[]
  /** Of the queue's low lane; shared by all jobs that publish there. */
  readonly window: QueueWindow
  readonly ports: BackfillPorts
  /** Milliseconds of a clock that never jumps. */
  readonly clock: () => number
}

/**
 * Schedules the blocks of one job, while nobody stops it.
 *
 * Waiting: for the job's rate, for blocks at the head to go first, for the monitor, for room in the queue, or for the next
 * try of a block whose condition failed. Stepping: evaluates some blocks of one part, publishes what matches, waits for the
 * confirms, and stores what is done of the part and the coverage in one statement. The parts take turns. Over: nothing is
 * left to try. Stopped: the signal has aborted; a step under way ends first, unless the leadership is over as well.
 */
export class BackfillRun {
  readonly #options: BackfillRunOptions
  readonly #chunk: number
  readonly #pace
  readonly #slice = createEvaluationSlice()
  readonly #meter
  #turn = 0
  #trouble: string | null = null

  constructor(options: BackfillRunOptions) {
    const { job, definition, clock } = options
    this.#options = options
    this.#chunk = Math.min(job.chunk ?? definition.backfill.chunk, job.window ?? DEFAULT_BACKFILL_WINDOW)
    this.#pace = createTaskPace(job.rate)
    this.#meter = createProgressMeter(clock())
  }

  get task(): string {
    return this.#options.job.task
  }

  get remainingBlocks(): number {
    return this.#options.parts.reduce((sum, { remaining }) => sum + setSize(remaining), 0)
  }

  get blocksPerSecond(): number {
    return this.#meter.perSecond(this.#options.clock())
  }

  /** What keeps it from going on, or which blocks fail; null when nothing does. */
  get note(): string | null {
    return this.#trouble ?? failureNote(this.#options.parts)
  }

  /** Which blocks are missing for good, and why. */
  get givenUp(): string {
    return givenUpNote(this.#options.parts)
  }

  /** Never throws. */
  async run(signal: AbortSignal): Promise<RunEnd> {
    const { job, window, parts, ports } = this.#options
    window.limit(job.id, job.window ?? DEFAULT_BACKFILL_WINDOW)
    try {
      for (let failures = 0; !signal.aborted;) {
        if (parts.every(({ isSettled }) => isSettled)) {
          return parts.every(({ remaining }) => remaining.length === 0) ? 'completed' : 'failed'
        }
        try {
          await this.#advance(signal)
          failures = 0
          this.#trouble = null
        } catch (error) {
          if (signal.aborted) break
          if (isLeaseLost(error)) {
            ports.onLeaseLost(error)
            break
          }
          failures += 1
          await this.#setBack(error, failures, signal)
        }
      }
      return 'stopped'
    } finally {
      window.unlimit(job.id)
    }
  }

  async #setBack(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const retryInMs = backoffMs(failures)
    const level = error instanceof RetryableError ? 'warn' : 'error'
    this.#trouble = `blocks could not be scheduled: ${error instanceof Error ? error.message : String(error)}`
    this.#options.ports.logger[level](
      { ...failureFields(error), retryInMs },
      'blocks could not be filled in; trying again',
    )
    await pause(retryInMs, signal)
  }

  async #advance(signal: AbortSignal): Promise<void> {
    const { window, clock, parts } = this.#options
    const nowMs = clock()
    if (!parts.some((part) => part.next(nowMs) !== undefined)) {
      const waits = parts.flatMap(({ failing }) => failing.untilNextMs(nowMs) ?? [])
      await pause(Math.max(1, Math.min(CLAIMED_MS, ...waits)), signal)
      return
    }
    await pause(this.#pace.waitMs(nowMs), signal)
    await this.#letTheHeadGoFirst(signal)
    const most = Math.min(MAX_TASKS_PER_STEP, MAX_MESSAGES_PER_STEP * this.#chunk, this.#pace.most)
    const room = await window.reserve(Math.min(this.#chunk, most), most, signal)
    try {
      if (!signal.aborted) await this.#step(room)
    } finally {
      // What was not used, because nothing matched or the step failed before it published.
      room.release([])
    }
  }

  async #letTheHeadGoFirst(signal: AbortSignal): Promise<void> {
    const { broker, isHeadDue, pressure } = this.#options.ports
    while (isHeadDue() || (await unlessAborted(pressure.isMonitorBehind(), signal))) {
      await pause(YIELD_MS, signal)
      signal.throwIfAborted()
    }
    await unlessAborted(broker.publisher.drained(), signal)
  }

  async #step(room: Room): Promise<void> {
    const { job, definition, ports, clock } = this.#options
    const part = this.#nextPart()
    const open = part?.next(clock())
    if (part === undefined || open === undefined) return
    const range = this.#cut(open, room.tasks)
    const { coverage } = part
    const claim = coverage.claim(range)
    try {
      const { source, access, abandoned: signal } = ports
      const asked = { source, access, definition, args: coverage.args, range, maxMatches: room.tasks, signal }
      const { matches, next, failure, askedMs } = await evaluateRange(asked)
      this.#slice.took(next - range.from, askedMs)
      const messages = planMessages({
        chain: ports.chain,
        definition,
        args: coverage.args,
        blocks: matches,
        cause: 'backfill',
        chunk: this.#chunk,
        generation: job.generation,
        generationOf: (block) => ports.latest.generationOf(block),
        scheduledAt: new Date(ports.now()),
        defaultMaxAttempts: ports.defaultMaxAttempts,
      })
      room.release(messages.map(({ items }) => ({ messages: 1, tasksEach: items.length })))
      await this.#publish(messages)
      this.#pace.took(matches.length, clock())
      if (next > range.from) await this.#store(part, claim, { from: range.from, to: next - 1 }, matches.length)
      if (failure !== undefined) this.#conditionFailed(part, failure.block, failure.error)
    } finally {
      claim.release()
    }
  }

  #nextPart(): BackfillPart | undefined {
    const { parts, clock } = this.#options
    const nowMs = clock()
    for (let tried = 0; tried < parts.length; tried += 1) {
      const part = parts[this.#turn % parts.length]
      this.#turn += 1
      if (part?.next(nowMs) !== undefined) return part
    }
    return undefined
  }

  /** No more blocks than the step can be expected to get to, so that another job may have the rest. */
  #cut({ from, to }: BlockRange, maxTasks: number): BlockRange {
    const { condition } = this.#options.definition
    const blocks = isPeriodic(condition) ? condition.period * maxTasks : this.#slice.blocks
    return { from, to: Math.min(to, from + blocks - 1) }
  }

  async #publish(messages: readonly TaskMessage[]): Promise<void> {
    const { abandoned, broker, metrics, pressure } = this.#options.ports
    for (const { queue, lane } of messages) pressure.published(queue, lane, 1)
    await unlessAborted(publishTasks(broker, messages), abandoned)
    for (const message of messages) metrics.scheduled(message)
  }

  async #store(part: BackfillPart, claim: BlockClaim, range: BlockRange, scheduled: number): Promise<void> {
    const { job, ports, clock } = this.#options
    const { task, argsHash, args, head, startBlock } = part.coverage
    const progress = { job: job.id, coverage: { task, argsHash, args, head, startBlock }, range, scheduled }
    await unlessAborted(
      claim.add(range, () => this.#write(progress)),
      ports.abandoned,
    )
    part.done(range)
    this.#meter.add(range.to - range.from + 1, clock())
  }

  /** The tasks are published: nothing but the end of the leadership keeps it from trying again. */
  async #write(progress: PartProgress): Promise<void> {
    const { abandoned, logger, store } = this.#options.ports
    for (let failures = 1; ; failures += 1) {
      abandoned.throwIfAborted()
      try {
        await store.progress(progress)
        return
      } catch (error) {
        if (isLeaseLost(error) || !(error instanceof RetryableError)) throw error
        const retryInMs = Math.min(5_000, backoffMs(failures))
        logger.warn({ ...failureFields(error), retryInMs }, 'what was filled in could not be written; trying again')
        await pause(retryInMs, abandoned)
      }
    }
  }

  #conditionFailed(part: BackfillPart, block: number, error: unknown): void {
    const { definition, ports, clock } = this.#options
    ports.metrics.conditionFailed(definition.name)
    part.failing.failed(block, error, clock())
    ports.logger.error(
      { err: error, block },
      'a condition failed in a back-fill; its block is tried again, others go on',
    )
  }
}
