import type { AnyTaskDefinition, JsonObject } from '@blockmill/core'

import type { TaskCoverage } from '../coverage/task-coverage.ts'
import type { FollowerPorts } from '../follower/follower-ports.ts'
import type { BackfillStore } from './backfill-store.ts'

/** The coverage of a set of arguments, and how far it may be filled in. */
export interface FillableCoverage {
  readonly coverage: TaskCoverage
  /** The last block that is not left to the live run, and is final. */
  readonly upTo: number
}

/**
 * The coverage of a task with some sets of arguments, put on record where it is new.
 *
 * @param argsList all sets that the task has, or has had, when left out.
 */
export type OpenCoverage = (
  definition: AnyTaskDefinition,
  argsList: readonly JsonObject[] | undefined,
) => Promise<readonly FillableCoverage[]>

/** What back-fill works with while its scheduler leads. */
export interface BackfillPorts extends FollowerPorts {
  readonly store: BackfillStore
  readonly openCoverage: OpenCoverage
  /** True while blocks at the head, or looked back at, are due: they go first. */
  readonly isHeadDue: () => boolean
}
