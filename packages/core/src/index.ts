export { BlockmillError, ConfigurationError, NonRetryableError, RetryableError } from './errors/blockmill-error.ts'
export { ERROR_CODES } from './errors/error-codes.ts'
export { backfillProblems, createBackfillJob, DEFAULT_BACKFILL_WINDOW } from './backfill/backfill-job.ts'
export { BACKFILL_JOB_COLUMNS, jobOfRow } from './backfill/backfill-rows.ts'
export { BACKFILL_STATES, backfillMove, isBackfillOver, nextBackfillState } from './backfill/backfill-state.ts'
export { createBackfills } from './backfill/backfills.ts'
export { CHAIN_KINDS, TASK_CHAIN_KINDS } from './chain/chain-access.ts'
export { createChainConnection } from './chain/chain-connection.ts'
export { HEADS } from './chain/chain-source.ts'
export { connectChain, createChain, createChainAccess } from './chain/create-chain.ts'
export { evmProtocol } from './chain/evm-protocol.ts'
export { createEvmSource } from './chain/evm-source.ts'
export { DEV_CHAIN_PORT, NETWORKS, resolveEndpoints } from './chain/networks.ts'
export { grownLogRange, shrunkLogRange } from './chain/log-range.ts'
export { redactUrl, redactUrls } from './chain/redact-url.ts'
export { parseRetryAfter } from './chain/retry-after.ts'
export { isRateLimit, RpcAnswerError } from './chain/rpc-answer-error.ts'
export { isTimeout } from './chain/rpc-failure.ts'
export { createSubstrateAccess } from './chain/substrate-access.ts'
export { substrateProtocol } from './chain/substrate-protocol.ts'
export { createSubstrateSource } from './chain/substrate-source.ts'
export { createWakeUps } from './chain/wake-ups.ts'
export { createLogger, createSilentLogger, LOG_LEVELS } from './observability/logger.ts'
export { createMetrics } from './observability/metrics.ts'
export { assertTopology } from './broker/assert-topology.ts'
export { parseBrokerUrl } from './broker/broker-url.ts'
export { DEAD_HEADERS, DEAD_REASONS, deadLetter } from './broker/dead-letter.ts'
export { createBroker } from './broker/create-broker.ts'
export { delayLadder, exactStep, jitteredStep, SMALLEST_DELAY_MS } from './broker/delay-ladder.ts'
export { MessageRefusedError } from './broker/publish-failure.ts'
export { createTopology, DELIVERY_LIMIT } from './broker/topology.ts'
export { controlMessageCodec, controlReplyCodec } from './control/control-codec.ts'
export { controlMessage, listenToControl, publishControl, publishReply } from './control/control-channel.ts'
export {
  CONTROL_MESSAGE_TYPE,
  CONTROL_REPLY_TYPE,
  MAX_STATE_CANCELS,
  MAX_STATE_LANES,
} from './control/control-message.ts'
export { createControl } from './control/create-control.ts'
export { createClient, createTaskPublish } from './client/create-client.ts'
export { createEnqueue } from './client/create-enqueue.ts'
export { createUniqueClaims } from './client/unique-claims.ts'
export { defineSettings } from './config/define-settings.ts'
export { describeConfig } from './config/describe-config.ts'
export { devChainSettings } from './config/dev-chain-settings.ts'
export { KNOWN_KEYS } from './config/known-keys.ts'
export { loadConfig } from './config/load-config.ts'
export { monitorSettings } from './config/monitor-settings.ts'
export { schedulerSettings } from './config/scheduler-settings.ts'
export { setting } from './config/setting.ts'
export { workerSettings } from './config/worker-settings.ts'
export { DATABASE_FAILURES, databaseError, databaseFailure } from './database/database-error.ts'
export { DATABASE_SCHEMA } from './database/database-schema.ts'
export { openDatabase } from './database/database.ts'
export { assertSchemaCurrent, migrate, revertMigration } from './database/migrate.ts'
export { DeadLetterEntity, WorkerEntity } from './database/monitoring-entities.ts'
export { ChainEntity, CoverageEntity, SchedulerLeaseEntity } from './database/scheduling-entities.ts'
export { ATTEMPT_OUTCOMES, TaskAttemptEntity, TaskEntity } from './database/task-entities.ts'
export { readRetentions, storeRetentions } from './database/task-retentions.ts'
export { waitForDatabase } from './database/wait-for-database.ts'
export { serializeError } from './errors/serialized-error.ts'
export { eventMessageCodec, heartbeatCodec, MAX_MESSAGE_BYTES, taskMessageCodec } from './message/codec.ts'
export { EVENT_MESSAGE_TYPE, FAILURE_REASONS, HEARTBEAT_MESSAGE_TYPE } from './message/event-message.ts'
export { lostMessage, RECORDED_TASK_COLUMNS, retryMessage } from './message/recorded-message.ts'
export {
  compressRows,
  MAX_ROW_BYTES,
  packRows,
  PART_BYTES,
  readCheckpoint,
  readManifest,
  readRowsMessage,
  ROWS_CONTENT_TYPE,
  ROWS_HEADERS,
  ROWS_MESSAGE_TYPE,
  rowsMessage,
  unpackRows,
} from './message/rows-message.ts'
export { CAUSES, TASK_MESSAGE_TYPE } from './message/task-message.ts'
export {
  batchId,
  blockRange,
  blockSet,
  contains,
  difference,
  fromMultirange,
  gaps,
  intersection,
  isBlockNumber,
  rangeSize,
  setSize,
  splitRange,
  toMultirange,
  union,
} from './range/block-range.ts'
export { exportJob } from './export/export-job.ts'
export { EXPORT_FORMATS, exportRows } from './export/export-rows.ts'
export { removeResultFiles } from './results/ndjson-sink.ts'
export { readResultBatches, readResults } from './results/read-results.ts'
export { createResultSinks, RESULT_SINKS } from './results/result-sink.ts'
export { storeParts } from './results/store-parts.ts'
export { describeCondition, everyBlock, everyNBlocks, isPeriodic, never } from './task/condition.ts'
export { DEFAULT_BATCH_SIZE, defineRangeTask, isRangeTaskDefinition } from './task/define-range-task.ts'
export { defineTask, isTaskDefinition, MAX_CHUNK, MAX_RESULT_BYTES } from './task/define-task.ts'
export { byteSize, formatBytes } from './task/byte-size.ts'
export { ISOLATIONS } from './task/isolation.ts'
export { discoverTasks } from './task/discovery.ts'
export { durationMs, formatDuration } from './task/duration.ts'
export { canonicalJson, findNonJson } from './task/json.ts'
export { DEFAULT_PRIORITY, laneOf, LANES } from './task/lane.ts'
export { assertQueueName, DEFAULT_QUEUE, isQueueName } from './task/queue-name.ts'
export { MAX_RATE_LIMIT, RATE_LIMIT_SCOPES, rateLimitProblems } from './task/rate-limit.ts'
export { createTaskRegistry } from './task/registry.ts'
export { MAX_DELAY_MS, neverGrows, RETRY_DEFAULTS, retryDecision, retryDelay } from './task/retry-policy.ts'
export { Cancel, Postpone, RangeTooLarge } from './task/steering.ts'
export { BATCH_STATES, batchMove, nextBatchState } from './job/batch-state.ts'
export { createCoordinator, definitionProblems } from './job/coordinator.ts'
export { isRangeJobOver, nextRangeJobState, RANGE_JOB_STATES, rangeJobMove } from './job/job-state.ts'
export {
  createRangeJob,
  DEFAULT_BATCH_WINDOW,
  MAX_BATCH_WINDOW,
  MAX_BATCHES,
  rangeJobProblems,
  tooManyBatches,
} from './job/range-job.ts'
export { RANGE_JOB_COLUMNS, rangeJobOfRow } from './job/range-job-rows.ts'
export { createRangeJobs } from './job/range-jobs.ts'
export { listen } from './service/listen.ts'
export { addProbeRoutes } from './service/probe-routes.ts'
export { createProbeServer } from './service/probe-server.ts'
export { runService } from './service/run-service.ts'
export { listenForStop } from './service/stop-request.ts'
export { rememberLast } from './service/remember-last.ts'
export { unlessAborted } from './service/unless-aborted.ts'
export { within } from './service/within.ts'
export { argsProblems, MAX_ARGS_BYTES } from './task/task-args.ts'
export { isForChainKind } from './task/task-chain-kind.ts'
export { adHocTaskId, argsHash, blockOfTaskId, taskId, uniqueTaskId } from './task/task-id.ts'
export { compareProgress, FINAL_STATES, isFinal, stateRank, TASK_STATES, TRANSITIONS } from './task/task-state.ts'

export type { BlockmillErrorOptions, ErrorKind } from './errors/blockmill-error.ts'
export type { ErrorCode } from './errors/error-codes.ts'
export type { BackfillJob, BackfillProblem, BackfillRequest } from './backfill/backfill-job.ts'
export type { BackfillJobRow } from './backfill/backfill-rows.ts'
export type { BackfillMove, BackfillState } from './backfill/backfill-state.ts'
export type {
  BackfillDetail,
  BackfillPart,
  BackfillProgress,
  BackfillSummary,
  BackfillTasks,
} from './backfill/backfill-view.ts'
export type { BackfillFilter, BackfillOrder, Backfills } from './backfill/backfills.ts'
export type {
  AnyChainAccess,
  BlockRef,
  ChainAccess,
  ChainAccessBase,
  ChainAccessByKind,
  ChainKind,
  EvmAccess,
  EvmBlock,
  EvmClient,
  EvmLogFilter,
  SubstrateAccess,
  SubstrateBlock,
  TaskChainKind,
} from './chain/chain-access.ts'
export type { ChainConnection, ChainConnectionOptions } from './chain/chain-connection.ts'
export type { ChainProtocol } from './chain/chain-protocol.ts'
export type { BlockHeader, ChainBlock, ChainSource, Head } from './chain/chain-source.ts'
export type { Chain, ChainAccessOptions, ChainOptions, ConnectChainOptions } from './chain/create-chain.ts'
export type { EvmSource, EvmSourceOptions } from './chain/evm-source.ts'
export type { JsonRpcSocket, RpcSubscription } from './chain/json-rpc-socket.ts'
export type { LogRange } from './chain/log-range.ts'
export type { NetworkName } from './chain/networks.ts'
export type { SubstrateAccessOptions } from './chain/substrate-access.ts'
export type { SubstrateSource, SubstrateSourceOptions } from './chain/substrate-source.ts'
export type { WakeUps } from './chain/wake-ups.ts'
export type { Logger, LoggerOptions, LogLevel } from './observability/logger.ts'
export type { Metrics } from './observability/metrics.ts'
export type { AssertTopologyOptions, DeclaringChannel } from './broker/assert-topology.ts'
export type { Broker, QueueDepth } from './broker/broker.ts'
export type { BrokerOptions } from './broker/create-broker.ts'
export type { ReconnectRange } from './service/reconnect-delay.ts'
export type { Burial, DeadReason } from './broker/dead-letter.ts'
export type { ConsumeOptions, Delivery, Subscription } from './broker/consumer.ts'
export type { HeardMessage, Listener, ListenOptions } from './broker/listener.ts'
export type { OutgoingMessage, Publisher } from './broker/publisher.ts'
export type {
  BindingDeclaration,
  Declarations,
  ExchangeDeclaration,
  QueueDeclaration,
  RateLimited,
  Topology,
  TopologyOptions,
} from './broker/topology.ts'
export type { Client, EnqueuedTask, Enqueue, EnqueueOptions } from './client/client.ts'
export type { ClientOptions } from './client/create-client.ts'
export type { EnqueuePorts } from './client/create-enqueue.ts'
export type { UniqueClaims } from './client/unique-claims.ts'
export type { ControlBroker, ControlOrder } from './control/control-channel.ts'
export type { CancelledTask, ControlMessage, ControlReply, LaneState } from './control/control-message.ts'
export type { Control, ControlOptions } from './control/create-control.ts'
export type { ConfigOf, Settings } from './config/define-settings.ts'
export type { LoadConfigOptions } from './config/load-config.ts'
export type { ConfigEntry, ResolvedConfig } from './config/resolve-config.ts'
export type { Setting, SettingOptions } from './config/setting.ts'
export type { DatabaseFailure } from './database/database-error.ts'
export type { Database, DatabaseOptions, Query, StatementOptions } from './database/database.ts'
export type { AttemptOutcome, TaskAttemptRow, TaskRow } from './database/task-entities.ts'
export type { RecordedRetention } from './database/task-retentions.ts'
export type { SerializedError } from './errors/serialized-error.ts'
export type { Codec } from './message/codec.ts'
export type { EventMessage, FailureReason, Heartbeat, TaskEvent } from './message/event-message.ts'
export type { RecordedTask } from './message/recorded-message.ts'
export type { ExecutionParts, PartList, RangeCheckpoint, RowsManifest, RowsPart } from './message/rows-message.ts'
export type { Cause, TaskItem, TaskMessage } from './message/task-message.ts'
export type { Batch, BlockRange, BlockSet } from './range/block-range.ts'
export type { ExportJobOptions, JobExport } from './export/export-job.ts'
export type { ExportFormat, ExportRowsOptions } from './export/export-rows.ts'
export type { ReadResultsOptions, ResultBatch } from './results/read-results.ts'
export type { PartPlace, ResultSink, ResultSinkName, ResultSinks } from './results/result-sink.ts'
export type { StoredParts } from './results/store-parts.ts'
export type { BatchMove, BatchState } from './job/batch-state.ts'
export type { Coordinator, CoordinatorOptions, RangeJobHandle, RunOptions, WaitOptions } from './job/coordinator.ts'
export type { RangeJobMove, RangeJobState } from './job/job-state.ts'
export type { RangeJob, RangeJobProblem, RangeJobRequest } from './job/range-job.ts'
export type { RangeJobRow } from './job/range-job-rows.ts'
export type { BatchPage, RangeBatch, RangeJobDetail, RangeJobProgress, RangeJobSummary } from './job/range-job-view.ts'
export type { RangeJobFilter, RangeJobOrder, RangeJobs } from './job/range-jobs.ts'
export type { ProbePorts } from './service/probe-routes.ts'
export type { ProbeServer, ProbeServerOptions } from './service/probe-server.ts'
export type { RunServiceOptions, Service, ServiceContext } from './service/run-service.ts'
export type { StopRequest } from './service/stop-request.ts'
export type { AnyCondition, Condition, ConditionBlock, ConditionContext, PeriodicCondition } from './task/condition.ts'
export type {
  AnyRangeTaskDefinition,
  RangeTaskContext,
  RangeTaskDefinition,
  RangeTaskOptions,
} from './task/define-range-task.ts'
export type {
  AnyTaskDefinition,
  BackfillOptions,
  TaskArgs,
  TaskBlock,
  TaskContext,
  TaskDefinition,
  TaskOptions,
} from './task/define-task.ts'
export type { Duration } from './task/duration.ts'
export type { ByteSize } from './task/byte-size.ts'
export type { Isolation, IsolationOptions } from './task/isolation.ts'
export type { Json, JsonObject } from './task/json.ts'
export type { Lane } from './task/lane.ts'
export type { RateLimit, RateLimitOptions, RateLimitScope } from './task/rate-limit.ts'
export type { RegisteredRangeTask, RegisteredTask, TaskRegistry } from './task/registry.ts'
export type { KeptFor, RetentionOptions, TaskRetention } from './task/retention.ts'
export type { Backoff, ErrorClass, RetryDecision, RetryDefaults, RetryPolicy } from './task/retry-policy.ts'
export type { ExecutionDefinition, ExecutionOptions } from './task/task-execution.ts'
export type { ArgsOf, ArgsSchema, StandardSchema } from './task/task-args.ts'
export type { TaskIdentity } from './task/task-id.ts'
export type { FinalState, TaskProgress, TaskState } from './task/task-state.ts'
