import type {
  AnyTaskDefinition,
  BlockHeader,
  Broker,
  ChainSource,
  ConditionBlock,
  Logger,
  TaskMessage,
} from '@blockmill/core'

import type { Heads } from '../chain/head-watcher.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import type { BranchStore } from './branch-store.ts'
import { BranchTracker, type BranchTrackerOptions } from './branch-tracker.ts'
import { OrphanReporter } from './orphan-reporter.ts'
import type { OrphanStore } from './orphan-store.ts'
import { createRecentTasks } from './recent-tasks.ts'

/** What is known of blocks on `latest`, which the chain may replace. */
export interface LatestBlocks {
  /** The generation of a block's tasks: not 0 where they were orphaned before, and the block has come back. */
  generationOf(block: ConditionBlock): number
  /** Told of tasks that are about to be published. */
  remember(messages: readonly TaskMessage[]): void
}

/** What a leadership needs to follow `latest`. */
export interface LatestBranchPorts {
  readonly branches: BranchStore
  readonly orphans: OrphanStore
  /** Most blocks below the head whose hashes are kept. Default 10,000. */
  readonly reorgWindow?: number | undefined
  /** Told when the chain has become shorter. */
  readonly onRewind: (latest: BlockHeader) => void
}

export interface LatestBranchOptions
  extends
    LatestBranchPorts,
    Pick<
      BranchTrackerOptions,
      'token' | 'inTurn' | 'onTip' | 'onReorg' | 'onReorganised' | 'onLeaseLost' | 'now' | 'stopping' | 'abandoned'
    > {
  readonly chain: string
  readonly source: ChainSource
  readonly broker: Pick<Broker, 'publisher' | 'topology' | 'listen'>
  readonly definitions: readonly AnyTaskDefinition[]
  /** Names of all tasks that follow `latest`, or have. */
  readonly names: () => readonly string[]
  readonly heads: () => Heads
  readonly logger: Logger
  readonly metrics: SchedulerMetrics
}

/** The branch of the chain that tasks on `latest` follow, while their scheduler leads. */
export interface LatestBranch extends LatestBlocks {
  /** The chain's hashes, of its newest blocks those of the branch: all that is planned is planned on one branch. */
  readonly source: Pick<ChainSource, 'hashes'>
  look(head: BlockHeader): void
  /** Resolves when stopped, with nothing in flight. */
  run(): Promise<void>
}

const REORG_WINDOW = 10_000

/** Without a task on `latest` nothing is followed, and nothing is asked of the chain. */
export function createLatestBranch(options: LatestBranchOptions): LatestBranch {
  const { source, definitions, branches, orphans, reorgWindow = REORG_WINDOW, heads, onRewind, onReorganised } = options
  if (!definitions.some(({ head }) => head === 'latest')) {
    return {
      source,
      generationOf: () => 0,
      remember: () => undefined,
      look: () => undefined,
      run: async () => undefined,
    }
  }
  const recent = createRecentTasks()
  const reporter = new OrphanReporter({ ...options, store: orphans, recent, by: `scheduler of ${options.chain}` })
  const tracker = new BranchTracker({
    ...options,
    store: branches,
    window: reorgWindow,
    finalized: () => heads().finalized,
    onReorganised(reorg) {
      onReorganised(reorg)
      reporter.report(reorg.orphaned)
      onRewind(reorg.head)
    },
  })
  return {
    source: { hashes: (numbers) => tracker.hashes(numbers) },
    generationOf: (block) => tracker.generationOf(block),
    remember: (messages) => recent.add(messages),
    look: (head) => tracker.look(head),
    async run() {
      await Promise.all([tracker.run(), reporter.run()])
    },
  }
}
