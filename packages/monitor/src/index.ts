export { createApp } from './http/app.ts'
export { runMonitor } from './main.ts'
export { createMonitor } from './monitor.ts'

export type { ApiPorts } from './http/api-routes.ts'
export type { AppOptions } from './http/app.ts'
export type { Monitor, MonitorConfig, MonitorOptions } from './monitor.ts'
export type { BatchLimits } from './recorder/intake.ts'
export type { Snapshot, Statistics } from './statistics/statistics.ts'
