export { countTasks, selectTaskIds } from './actions/select-tasks.ts'
export { actionFilter, actOnTasks } from './actions/task-action.ts'
export {
  deleteDeadLetters,
  findDeadLetter,
  idsOfDeadLetters,
  listDeadLetters,
} from './dead-letters/dead-letter-store.ts'
export { replayDeadLetters } from './dead-letters/replay-dead-letters.ts'
export { readFailures } from './failures/failure-groups.ts'
export { createApp } from './http/app.ts'
export { readCoverage } from './http/read-coverage.ts'
export { readGaps } from './http/read-gaps.ts'
export { runMonitor } from './main.ts'
export { createMonitor } from './monitor.ts'
export { retentionCutoff } from './retention/cutoff.ts'
export { countPrunable, pruneTasks } from './retention/prune-tasks.ts'
export { createAccess } from './security/access.ts'

export type { TaskAction, TaskActionOptions, TaskActionPorts, TaskOutcome } from './actions/task-action.ts'
export type { TaskFilter } from './http/task-filter.ts'
export type { DeadLetterFilter, DeadLetterSummary, StoredDeadLetter } from './dead-letters/dead-letter-store.ts'
export type { ReplayPorts, ReplayReport } from './dead-letters/replay-dead-letters.ts'
export type { FailureFilter, FailureGroup, FailurePosition } from './failures/failure-groups.ts'
export type { ApiPorts } from './http/api-routes.ts'
export type { AppOptions } from './http/app.ts'
export type { GapsFilter, GapsPage, GapsView, SomeBlocks } from './http/read-gaps.ts'
export type { CoverageView } from './http/read-coverage.ts'
export type { CoverageFilter } from './http/coverage-filter.ts'
export type { Monitor, MonitorConfig, MonitorOptions } from './monitor.ts'
export type { BatchLimits } from './recorder/intake.ts'
export type { Pruned, PruneOptions } from './retention/prune-tasks.ts'
export type { Access, Identity, Role, Tokens } from './security/access.ts'
export type { Snapshot, Statistics } from './statistics/statistics.ts'
