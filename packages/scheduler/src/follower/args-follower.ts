import {
  type AnyTaskDefinition,
  type BlockRange,
  type ConditionBlock,
  laneOf,
  rangeSize,
  RetryableError,
  unlessAborted,
} from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import type { BlockClaim, TaskCoverage } from '../coverage/task-coverage.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import type { ConditionFailure } from '../planner/evaluate-blocks.ts'
import { evaluateRange } from '../planner/evaluate-range.ts'
import { liveBlocks, lookbackBlocks, nextLiveBlock } from '../planner/next-blocks.ts'
import { planMessages } from '../planner/plan-messages.ts'
import { createWakeUp } from '../wake-up.ts'
import type { FollowerPorts } from './follower-ports.ts'
import { publishTasks } from './publish-tasks.ts'
import { createSetbacks } from './setbacks.ts'

/** Most tasks that are published before their range is written to the coverage. */
const MAX_TASKS_PER_STEP = 500
/** A live run that is more blocks behind the head looks at what waits on the broker before each step. */
const FAR_BEHIND_BLOCKS = 500
/** How long to wait when there is no room on the broker. */
const NO_ROOM_PAUSE_MS = 100

type Cause = 'live' | 'lookback'

interface Work {
  readonly cause: Cause
  readonly range: BlockRange
}

/**
 * Takes one task with one set of arguments from block to block up to the head that it is told, in order.
 *
 * Idle: everything due is evaluated, or waits after a setback; a higher head or the end of the wait starts it. Stepping:
 * evaluates some blocks, publishes what matches, waits for the broker's confirms, adds the range to the coverage, and looks
 * for more, live blocks before those looked back at. A live run that is far behind waits while its lane on the broker is
 * full, and what is looked back at also while the monitor is far behind. A block whose condition fails ends a step before it, and is tried
 * again after a growing pause. Stopped: no step begins once `stopping` is aborted, and a step under way ends unfinished once
 * `abandoned` is; its blocks are evaluated again later, and yield the same ids.
 */
export class ArgsFollower {
  readonly #definition: AnyTaskDefinition
  readonly #ports: FollowerPorts
  readonly #wakeUp = createWakeUp()
  readonly #setbacks = createSetbacks<Cause>()
  readonly #coverage: TaskCoverage
  #head = -1
  #isLookingForRoom = false

  constructor(definition: AnyTaskDefinition, coverage: TaskCoverage, ports: FollowerPorts) {
    this.#definition = definition
    this.#coverage = coverage
    this.#ports = { ...ports, logger: ports.logger.child({ task: definition.name, args: coverage.args }) }
  }

  /** All blocks up to this one are due. */
  follow(head: number): void {
    this.#head = head
    this.#wakeUp.notify()
  }

  /** Every live block up to this one was evaluated. */
  get height(): number {
    return nextLiveBlock(this.#coverage) - 1
  }

  /** True while blocks could be scheduled at once, or just are. While it asks for room, others need not wait for it. */
  get isDue(): boolean {
    return !this.#isLookingForRoom && this.#nextWork(performance.now()) !== undefined
  }

  /** Resolves when stopped. */
  async run(): Promise<void> {
    const { stopping } = this.#ports
    while (!stopping.aborted) {
      const now = performance.now()
      const work = this.#nextWork(now)
      if (work === undefined) await this.#wakeUp.wait(stopping, this.#setbacks.untilNextMs(now))
      else await this.#try(work)
    }
  }

  #nextWork(nowMs: number): Work | undefined {
    for (const [cause, dueBlocks] of [
      ['live', liveBlocks],
      ['lookback', lookbackBlocks],
    ] as const) {
      const range = dueBlocks(this.#coverage, this.#head)
      if (range !== undefined && !this.#setbacks.isWaiting(cause, nowMs)) return { cause, range }
    }
    return undefined
  }

  async #try(work: Work): Promise<void> {
    const { logger, metrics, abandoned, onLeaseLost } = this.#ports
    try {
      if (!(await this.#hasRoom(work))) {
        this.#setbacks.postpone(work.cause, performance.now(), NO_ROOM_PAUSE_MS)
        return
      }
      const failure = await this.#step(work)
      if (failure === undefined) {
        this.#setbacks.clear(work.cause)
        return
      }
      metrics.conditionFailed(this.#definition.name)
      const retryInMs = this.#setbacks.failed(work.cause, performance.now())
      logger.error(
        { err: failure.error, block: failure.block, retryInMs },
        'a condition failed; its block is tried again',
      )
    } catch (error) {
      if (abandoned.aborted) return
      if (isLeaseLost(error)) {
        onLeaseLost(error)
        return
      }
      if (isReorganised(error)) {
        logger.debug(
          { range: work.range },
          'blocks were replaced while they were scheduled; scheduling those in their place',
        )
        return
      }
      const level = error instanceof RetryableError ? 'warn' : 'error'
      const retryInMs = this.#setbacks.failed(work.cause, performance.now())
      logger[level](
        { ...failureFields(error), range: work.range, retryInMs },
        'blocks could not be scheduled; trying again',
      )
    }
  }

  /** Evaluates and schedules some of the blocks, from the first on. Answers why it went no further, if a condition failed. */
  async #step(work: Work): Promise<ConditionFailure | undefined> {
    const claim = this.#coverage.claim(work.range)
    try {
      return await this.#schedule(work, claim)
    } finally {
      claim.release()
    }
  }

  async #schedule({ cause, range }: Work, claim: BlockClaim): Promise<ConditionFailure | undefined> {
    const { abandoned, access, broker, source } = this.#ports
    await unlessAborted(broker.publisher.drained(), abandoned)
    const { matches, next, failure } = await evaluateRange({
      source,
      access,
      definition: this.#definition,
      args: this.#coverage.args,
      range,
      maxMatches: MAX_TASKS_PER_STEP,
      signal: abandoned,
    })
    const evaluated = { from: range.from, to: next - 1 }
    if (next > range.from) claim.assertCurrent(evaluated)
    await this.#publish(cause, matches)
    if (next > range.from) {
      await unlessAborted(claim.add(evaluated), abandoned)
      // Something worked: the next failure is the first of its own.
      this.#setbacks.clear(cause)
    }
    return failure
  }

  async #publish(cause: Cause, blocks: readonly ConditionBlock[]): Promise<void> {
    const { abandoned, broker, chain, defaultMaxAttempts, metrics, now, pressure, latest } = this.#ports
    const messages = planMessages({
      chain,
      definition: this.#definition,
      args: this.#coverage.args,
      blocks,
      cause,
      scheduledAt: new Date(now()),
      defaultMaxAttempts,
      generationOf: (block) => latest.generationOf(block),
    })
    latest.remember(messages)
    for (const { queue, lane } of messages) pressure.published(queue, lane, 1)
    await unlessAborted(publishTasks(broker, messages), abandoned)
    for (const message of messages) metrics.scheduled(message)
  }

  /** Blocks at the head have room always, so that nothing is asked for them; a live run far behind as long as its lane has. */
  async #hasRoom({ cause, range }: Work): Promise<boolean> {
    if (cause === 'live' && rangeSize(range) <= FAR_BEHIND_BLOCKS) return true
    this.#isLookingForRoom = true
    try {
      return !(await unlessAborted(this.#isHeldUp(cause), this.#ports.abandoned))
    } finally {
      this.#isLookingForRoom = false
    }
  }

  async #isHeldUp(cause: Cause): Promise<boolean> {
    const { pressure } = this.#ports
    const { queue, priority, backfill } = this.#definition
    if (cause === 'live') return pressure.isFull(queue, laneOf(priority))
    return (await pressure.isMonitorBehind()) || pressure.isFull(backfill.queue, 'low')
  }
}

function isReorganised(error: unknown): boolean {
  return error instanceof RetryableError && error.code === 'CHAIN_REORGANISED'
}
