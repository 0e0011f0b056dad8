import type { AnyChainAccess, Broker, ChainSource, Logger } from '@blockmill/core'

import type { QueuePressure } from '../pressure/queue-pressure.ts'
import type { LatestBlocks } from '../reorg/latest-branch.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'

/** What followers work with while their scheduler leads. */
export interface FollowerPorts {
  readonly chain: string
  /** Hashes of the branch that tasks on `latest` follow. */
  readonly source: Pick<ChainSource, 'hashes'>
  readonly latest: LatestBlocks
  /** What conditions read the chain through. */
  readonly access: AnyChainAccess | undefined
  readonly broker: Pick<Broker, 'publisher' | 'topology' | 'depth'>
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'scheduled' | 'conditionFailed'>
  /** For definitions that set no `retry.maxAttempts`. */
  readonly defaultMaxAttempts: number
  /** What waits on the broker, which holds up whatever is not at the head. */
  readonly pressure: QueuePressure
  /** Unix milliseconds, for messages. Waits are measured by a clock that does not jump. */
  readonly now: () => number
  /** Aborted when no new work may begin. */
  readonly stopping: AbortSignal
  /** Aborted when work that is under way must be given up. */
  readonly abandoned: AbortSignal
  /** Ends the leadership: the lease is lost. */
  readonly onLeaseLost: (error: unknown) => void
}
