import type { Broker } from '@blockmill/core'

import type { FollowerPorts } from '../follower/follower-ports.ts'
import type { JobStore } from './job-store.ts'

/** What range jobs are run with while their scheduler leads. */
export interface RangeJobPorts extends Pick<
  FollowerPorts,
  'chain' | 'logger' | 'defaultMaxAttempts' | 'pressure' | 'now' | 'stopping' | 'abandoned' | 'onLeaseLost'
> {
  readonly store: JobStore
  readonly broker: FollowerPorts['broker'] & Pick<Broker, 'declare' | 'listen'>
  readonly metrics: Pick<FollowerPorts['metrics'], 'scheduled'>
  /** Number of the newest final block. */
  readonly finalized: () => number
  /** Milliseconds of a clock that never jumps. */
  readonly clock: () => number
}
