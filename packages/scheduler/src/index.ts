export { runScheduler } from './main.ts'
export { evaluateBlocks } from './planner/evaluate-blocks.ts'
export { planMessages } from './planner/plan-messages.ts'
export { createScheduler, Scheduler } from './scheduler.ts'

export type { StartMode } from './coverage/start-block.ts'
export type { ConditionFailure, Evaluation, EvaluationRequest, PendingAnswer } from './planner/evaluate-blocks.ts'
export type { PlanRequest } from './planner/plan-messages.ts'
export type { SchedulerConfig, SchedulerOptions } from './scheduler.ts'
