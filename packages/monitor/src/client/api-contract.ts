import { Type } from 'typebox'

import { AuditListSchema, AuditQuerySchema } from '../http/audit-schemas.ts'
import {
  BackfillDetailSchema,
  BackfillListQuerySchema,
  BackfillListSchema,
  BackfillRequestSchema,
  BackfillSchema,
} from '../http/backfill-schemas.ts'
import { CoverageListSchema, CoverageQuerySchema, GapListSchema, GapsQuerySchema } from '../http/coverage-schemas.ts'
import {
  DeadDetailSchema,
  DeadListQuerySchema,
  DeadListSchema,
  DeadPurgeSchema,
  DeadReplaySchema,
  DeadReplaysSchema,
  DeadSelectionSchema,
} from '../http/dead-schemas.ts'
import { EnqueuedSchema, EnqueueSchema } from '../http/enqueue-schemas.ts'
import { FailureListSchema, FailureQuerySchema } from '../http/failure-routes.ts'
import {
  BatchListQuerySchema,
  BatchListSchema,
  RangeJobDetailSchema,
  RangeJobListQuerySchema,
  RangeJobListSchema,
  RangeJobRequestSchema,
  RangeJobSchema,
} from '../http/job-schemas.ts'
import { StatsSchema, WorkerListSchema } from '../http/monitor-schemas.ts'
import {
  LaneQuerySchema,
  MoveSchema,
  PurgeQuerySchema,
  PurgeSchema,
  QueueListSchema,
  QueueSchema,
  WorkerAnswerSchema,
} from '../http/queue-schemas.ts'
import {
  DryRunSchema,
  OperationSchema,
  RetryQuerySchema,
  TaskActionSchema,
  TaskActionsSchema,
} from '../http/task-action-schemas.ts'
import { TaskDetailSchema, TaskListQuerySchema, TaskListSchema } from '../http/task-schemas.ts'
import { TimeseriesQuerySchema, TimeseriesSchema } from '../http/timeseries-schemas.ts'

const NOTHING = Type.Null()

/**
 * The routes of the REST API with the schemas that they are served with: what a typed client needs to know of them. Streams
 * (`GET /events`, `GET /jobs/:id/results`) are left out. A test compares them with the routes.
 */
export const API_ROUTES = {
  'GET /tasks': { query: TaskListQuerySchema, answer: TaskListSchema },
  'POST /tasks': { body: EnqueueSchema, answer: EnqueuedSchema },
  'GET /tasks/:id': { answer: TaskDetailSchema },
  'POST /tasks/:id/cancel': { answer: TaskActionSchema },
  'POST /tasks/:id/retry': { query: RetryQuerySchema, answer: TaskActionSchema },
  'DELETE /tasks/:id': { answer: NOTHING },
  'POST /tasks/actions': { body: TaskActionsSchema, answer: Type.Union([OperationSchema, DryRunSchema]) },
  'GET /operations/:id': { answer: OperationSchema },
  'POST /operations/:id/cancel': { answer: OperationSchema },
  'GET /stats': { answer: StatsSchema },
  'GET /stats/timeseries': { query: TimeseriesQuerySchema, answer: TimeseriesSchema },
  'GET /coverage': { query: CoverageQuerySchema, answer: CoverageListSchema },
  'GET /gaps': { query: GapsQuerySchema, answer: GapListSchema },
  'GET /failures': { query: FailureQuerySchema, answer: FailureListSchema },
  'POST /backfills': { body: BackfillRequestSchema, answer: BackfillSchema },
  'GET /backfills': { query: BackfillListQuerySchema, answer: BackfillListSchema },
  'GET /backfills/:id': { answer: BackfillDetailSchema },
  'POST /backfills/:id/pause': { answer: BackfillSchema },
  'POST /backfills/:id/resume': { answer: BackfillSchema },
  'POST /backfills/:id/cancel': { answer: BackfillSchema },
  'POST /jobs': { body: RangeJobRequestSchema, answer: RangeJobSchema },
  'GET /jobs': { query: RangeJobListQuerySchema, answer: RangeJobListSchema },
  'GET /jobs/:id': { answer: RangeJobDetailSchema },
  'GET /jobs/:id/batches': { query: BatchListQuerySchema, answer: BatchListSchema },
  'POST /jobs/:id/pause': { answer: RangeJobSchema },
  'POST /jobs/:id/resume': { answer: RangeJobSchema },
  'POST /jobs/:id/cancel': { answer: RangeJobSchema },
  'POST /jobs/:id/retry-failed': { answer: RangeJobSchema },
  'DELETE /jobs/:id': { answer: NOTHING },
  'GET /dead': { query: DeadListQuerySchema, answer: DeadListSchema },
  'GET /dead/:id': { answer: DeadDetailSchema },
  'POST /dead/:id/replay': { answer: DeadReplaySchema },
  'POST /dead/replay': { body: DeadSelectionSchema, answer: DeadReplaysSchema },
  'DELETE /dead/:id': { answer: NOTHING },
  'POST /dead/purge': { body: DeadSelectionSchema, answer: DeadPurgeSchema },
  'GET /workers': { answer: WorkerListSchema },
  'POST /workers/:name/shutdown': { answer: WorkerAnswerSchema },
  'POST /workers/:name/ping': { answer: WorkerAnswerSchema },
  'GET /queues': { answer: QueueListSchema },
  'GET /queues/:name': { answer: QueueSchema },
  'POST /queues/:name/pause': { query: LaneQuerySchema, answer: QueueSchema },
  'POST /queues/:name/resume': { query: LaneQuerySchema, answer: QueueSchema },
  'POST /queues/:name/purge': { query: PurgeQuerySchema, answer: PurgeSchema },
  'POST /queues/:name/move': { body: MoveSchema, answer: OperationSchema },
  'GET /audit': { query: AuditQuerySchema, answer: AuditListSchema },
} as const
export type ApiRoutes = typeof API_ROUTES
