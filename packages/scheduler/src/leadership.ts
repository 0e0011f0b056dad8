import {
  type AnyRangeTaskDefinition,
  type AnyTaskDefinition,
  type BlockHeader,
  type Broker,
  type ChainSource,
  difference,
  type Head,
  HEADS,
  RetryableError,
  unlessAborted,
} from '@blockmill/core'

import { failureFields } from './failure-fields.ts'
import type { JobStore } from './job/job-store.ts'
import { type RangeBacklog, RangeCoordinator } from './job/range-coordinator.ts'
import { BackFiller } from './backfill/back-filler.ts'
import type { BackfillStore } from './backfill/backfill-store.ts'
import { createOpenCoverage } from './backfill/fillable-coverage.ts'
import { backoffMs } from './backoff.ts'
import { createHeadRecord, type HeadRecord, type HeadStore } from './chain/head-record.ts'
import type { Heads } from './chain/head-watcher.ts'
import type { Coverage, CoverageKey, CoverageStore, FollowedCoverage } from './coverage/coverage-store.ts'
import { type CoverageWriter, createCoverageWriter } from './coverage/coverage-writer.ts'
import { liveStart, type StartMode, startBlock } from './coverage/start-block.ts'
import { createTaskCoverage, type TaskCoverage } from './coverage/task-coverage.ts'
import type { FollowerPorts } from './follower/follower-ports.ts'
import { TaskFollower } from './follower/task-follower.ts'
import type { ResolvedArgs } from './planner/resolve-args.ts'
import type { Reconciler } from './reconciler/reconciler.ts'
import { createLatestBranch, type LatestBranch, type LatestBranchPorts } from './reorg/latest-branch.ts'
import type { BackfillBacklog, SchedulerMetrics } from './scheduler-metrics.ts'
import { pause } from './wake-up.ts'

export interface LeadershipOptions
  extends Omit<FollowerPorts, 'stopping' | 'abandoned' | 'onLeaseLost' | 'source' | 'latest'>, LatestBranchPorts {
  readonly source: ChainSource
  readonly broker: FollowerPorts['broker'] & Pick<Broker, 'declare' | 'listen'>
  readonly store: CoverageStore
  readonly headStore: HeadStore
  readonly backfills: BackfillStore
  readonly rangeJobs: JobStore
  readonly metrics: SchedulerMetrics
  /** Publishes tasks again whose messages are gone. */
  readonly reconciler?: Pick<Reconciler, 'run'> | undefined
  readonly definitions: readonly AnyTaskDefinition[]
  readonly rangeDefinitions: readonly AnyRangeTaskDefinition[]
  readonly headsAtStart: Heads
  /** Applies to the arguments that each task has at first. */
  readonly startMode: StartMode
  /** Tasks that this process has started, to which arguments may only be added; grows. */
  readonly started: Set<AnyTaskDefinition>
  /** The fencing token of the lease. */
  readonly token: number
}

/** How far a task has come on the head that it follows. */
export interface FollowedTask {
  readonly definition: AnyTaskDefinition
  readonly height: number
}

/**
 * What a scheduler does while it leads: sends a follower after each task, on the coverage that is on record, and runs
 * back-fill and range jobs beside them.
 *
 * Loading: reads the coverage, until the database answers. Following: passes each new head on to the followers; to those on
 * `latest` when the branch that they follow has come so far. Over: the lease is lost, and everything under way is given up at once; or `stop()` was called, and steps under way may end first.
 */
export class Leadership {
  readonly #options: LeadershipOptions
  readonly #stopping = new AbortController()
  readonly #abandoned = new AbortController()
  readonly #recorded = new Map<string, Coverage>()
  readonly #registered = new Map<string, TaskCoverage>()
  readonly #writer: CoverageWriter
  readonly #followers: readonly TaskFollower[]
  readonly #backFiller: BackFiller
  readonly #rangeCoordinator: RangeCoordinator
  readonly #branch: LatestBranch
  readonly #headRecord: HeadRecord
  #heads: Heads

  constructor(options: LeadershipOptions) {
    this.#options = options
    this.#heads = options.headsAtStart
    this.#writer = createCoverageWriter({ ...options, signal: this.#abandoned.signal })
    const state = {
      stopping: this.#stopping.signal,
      abandoned: this.#abandoned.signal,
      onLeaseLost: () => this.abandon(),
    }
    this.#headRecord = createHeadRecord({ ...options, ...state, store: options.headStore })
    this.#branch = createLatestBranch({
      ...options,
      ...state,
      heads: () => this.#heads,
      names: () => this.#namesOnLatest(),
      inTurn: (write) => this.#writer.inTurn(write),
      onTip: (number) => this.#followTo('latest', number),
      onReorg: ({ ancestor }) => this.#invalidate(ancestor + 1),
      onReorganised: ({ ancestor }) => this.#retract(ancestor + 1),
    })
    const ports: FollowerPorts = { ...options, ...state, source: this.#branch.source, latest: this.#branch }
    this.#followers = options.definitions.map(
      (definition) => new TaskFollower({ definition, ports, coverageOf: this.#coverageOf.bind(this) }),
    )
    const openCoverage = createOpenCoverage({
      ...options,
      heads: () => this.#heads,
      recorded: () => this.#recorded.values(),
      opened: () => this.#registered.values(),
      open: (coverage) => this.#open(coverage),
      coverageOf: this.#coverageOf.bind(this),
    })
    const isHeadDue = (): boolean => this.#followers.some((follower) => follower.isDue)
    const { backfills: store, definitions } = options
    this.#backFiller = new BackFiller({ ports: { ...ports, store, openCoverage, isHeadDue }, definitions })
    this.#rangeCoordinator = new RangeCoordinator({
      ports: {
        ...options,
        ...state,
        store: options.rangeJobs,
        finalized: () => this.#heads.finalized.number,
        clock: () => performance.now(),
      },
      definitions: options.rangeDefinitions,
    })
  }

  /** Leads from the given heads on; resolves when it is over and nothing is in flight. */
  async run(heads: () => Heads): Promise<void> {
    await this.#loadCoverage()
    this.#warnWhenChainIsBelow(heads())
    this.follow(heads())
    this.look(heads().latest)
    const running = [...this.#followers, this.#backFiller, this.#rangeCoordinator, this.#branch, this.#headRecord]
    const reconciling = this.#options.reconciler?.run(this.#stopping.signal, this.#abandoned.signal)
    try {
      await Promise.all([...running.map((one) => one.run()), reconciling])
    } finally {
      // Should one of them fail, the others must not go on beside the leadership that comes next.
      this.abandon()
    }
  }

  /** The tips have moved. Tasks on `latest` follow once the branch is on record. */
  follow(heads: Heads): void {
    this.#heads = heads
    this.#headRecord.see(heads)
    this.#followTo('finalized', heads.finalized.number)
  }

  /** The newest block as it was seen, also when it is the same as before, or lower. */
  look(latest: BlockHeader): void {
    this.#branch.look(latest)
  }

  followedTasks(): readonly FollowedTask[] {
    return this.#followers.flatMap(({ height }, index) => {
      const definition = this.#options.definitions[index] as AnyTaskDefinition
      return height === undefined ? [] : [{ definition, height }]
    })
  }

  backfillBacklog(): readonly BackfillBacklog[] {
    return this.#backFiller.backlog()
  }

  rangeBacklog(): RangeBacklog {
    return this.#rangeCoordinator.backlog()
  }

  /** No new steps; those under way may end. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Gives up what is under way, at once. */
  abandon(): void {
    this.#stopping.abort()
    this.#abandoned.abort()
  }

  #followTo(head: Head, number: number): void {
    for (const [index, follower] of this.#followers.entries()) {
      if (this.#options.definitions[index]?.head === head) follower.follow(number)
    }
  }

  #onLatest(): TaskCoverage[] {
    return [...this.#registered.values()].filter(({ head }) => head === 'latest')
  }

  #namesOnLatest(): readonly string[] {
    const known = [...this.#recorded.values(), ...this.#onLatest()].filter(({ head }) => head === 'latest')
    return [...new Set(known.map(({ task }) => task))]
  }

  /** The chain is about to replace the blocks from this one on. */
  #invalidate(from: number): void {
    for (const coverage of this.#onLatest()) coverage.invalidate(from)
    for (const [key, coverage] of this.#recorded) {
      if (coverage.head !== 'latest') continue
      const evaluated = difference(coverage.evaluated, [{ from, to: Number.MAX_SAFE_INTEGER }])
      this.#recorded.set(key, { ...coverage, evaluated })
    }
  }

  /** It has, and that is on record. */
  #retract(from: number): void {
    for (const coverage of this.#onLatest()) coverage.retract(from)
  }

  async #loadCoverage(): Promise<void> {
    const { store, logger } = this.#options
    for (let failures = 1; !this.#stopping.signal.aborted; failures += 1) {
      try {
        const recorded = await unlessAborted(store.load(), this.#stopping.signal)
        for (const coverage of recorded) this.#recorded.set(keyOf(coverage), coverage)
        return
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        if (!(error instanceof RetryableError)) throw error
        const retryInMs = backoffMs(failures)
        logger.warn({ ...failureFields(error), retryInMs }, 'coverage could not be read; trying again')
        await pause(retryInMs, this.#stopping.signal)
      }
    }
  }

  #warnWhenChainIsBelow(heads: Heads): void {
    for (const head of HEADS) {
      const ends = Array.from(this.#recorded.values(), (coverage) =>
        coverage.head === head ? blockAfter(coverage) : 0,
      )
      const highest = Math.max(0, ...ends) - 1
      if (highest <= heads[head].number) continue
      this.#options.logger.warn(
        { head, number: heads[head].number, highest },
        'the chain is below what was evaluated already: nothing is due until it has passed that; if it was reset, name it anew',
      )
    }
  }

  async #coverageOf(
    definition: AnyTaskDefinition,
    argsList: readonly ResolvedArgs[],
    head: number,
  ): Promise<readonly TaskCoverage[]> {
    const { store, token, startMode, started, headsAtStart } = this.#options
    const [mode, from] = started.has(definition)
      ? (['resume', head] as const)
      : ([startMode, headsAtStart[definition.head].number] as const)
    const wanted = argsList.map((one) => this.#startOf(definition, one, from, mode))
    const fresh = wanted.filter((coverage) => !this.#registered.has(keyOf(coverage)))
    if (fresh.length > 0) await store.register(token, fresh)
    for (const coverage of fresh) {
      // By the start mode, also where a later leadership of this process resumes what an earlier one has registered.
      const liveFrom = liveStart(coverage.startBlock, {
        mode: definition.startBlock ?? startMode,
        head: from,
        lookback: definition.backfill.lookback,
      })
      this.#open({ ...coverage, liveFrom })
    }
    started.add(definition)
    return wanted.flatMap((coverage) => this.#registered.get(keyOf(coverage)) ?? [])
  }

  /**
   * The coverage that all share who schedule these blocks. What is evaluated is taken from the record only now: while this one
   * was registered, others may have opened it, or the chain may have replaced some of its blocks.
   */
  #open(coverage: Omit<FollowedCoverage, 'evaluated'>): TaskCoverage {
    const key = keyOf(coverage)
    const known = this.#registered.get(key)
    if (known !== undefined) return known
    const evaluated = this.#recorded.get(key)?.evaluated ?? []
    const opened = createTaskCoverage({ ...coverage, evaluated }, this.#writer)
    this.#registered.set(key, opened)
    return opened
  }

  #startOf(definition: AnyTaskDefinition, { args, argsHash }: ResolvedArgs, head: number, mode: StartMode) {
    const key = { task: definition.name, argsHash, head: definition.head }
    const recorded = this.#recorded.get(keyOf(key))
    const start = startBlock({
      mode,
      head,
      lookback: definition.backfill.lookback,
      own: definition.startBlock,
      recorded: recorded?.startBlock,
    })
    return { ...key, args, startBlock: start }
  }
}

function blockAfter({ evaluated }: Coverage): number {
  return (evaluated.at(-1)?.to ?? -1) + 1
}

function keyOf({ task, argsHash, head }: CoverageKey): string {
  return `${task} ${argsHash} ${head}`
}
