import type { MigrationObject } from '@mikro-orm/core'

import { Audit } from './audit.ts'
import { Backfills } from './backfills.ts'
import { ChainHeads } from './chain-heads.ts'
import { ControlState } from './control-state.ts'
import { DeadLetterTasks } from './dead-letter-tasks.ts'
import { EndCancelled } from './end-cancelled.ts'
import { FailureFingerprints } from './failure-fingerprints.ts'
import { FailureIndex } from './failure-index.ts'
import { FinishIndex } from './finish-index.ts'
import { GapIndexes } from './gap-indexes.ts'
import { InitialSchema } from './initial-schema.ts'
import { ListIndexes } from './list-indexes.ts'
import { RangeJobs } from './range-jobs.ts'
import { ScheduleGenerations } from './schedule-generations.ts'
import { TaskDeadlines } from './task-deadlines.ts'
import { TaskRates } from './task-rates.ts'
import { TaskRetention } from './task-retention.ts'
import { UniqueTasks } from './unique-tasks.ts'

/** All migrations, in order. Names are kept in the database: never rename or reorder; add at the end. */
export const MIGRATIONS: readonly MigrationObject[] = [
  { name: '0001-initial-schema', class: InitialSchema },
  { name: '0002-unique-tasks', class: UniqueTasks },
  { name: '0003-control-state', class: ControlState },
  { name: '0004-chain-heads', class: ChainHeads },
  { name: '0005-backfills', class: Backfills },
  { name: '0006-gap-indexes', class: GapIndexes },
  { name: '0007-task-deadlines', class: TaskDeadlines },
  { name: '0008-schedule-generations', class: ScheduleGenerations },
  { name: '0009-audit', class: Audit },
  { name: '0010-finish-index', class: FinishIndex },
  { name: '0011-dead-letter-tasks', class: DeadLetterTasks },
  { name: '0012-failure-fingerprints', class: FailureFingerprints },
  { name: '0013-range-jobs', class: RangeJobs },
  { name: '0014-task-retention', class: TaskRetention },
  { name: '0015-list-indexes', class: ListIndexes },
  { name: '0016-task-rates', class: TaskRates },
  { name: '0017-end-cancelled', class: EndCancelled },
  { name: '0018-failure-index', class: FailureIndex },
]
