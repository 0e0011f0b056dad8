export { runScheduler } from './main.ts'
export { createScheduler, Scheduler } from './scheduler.ts'

export type { StartMode } from './coverage/start-block.ts'
export type { SchedulerConfig, SchedulerOptions } from './scheduler.ts'
