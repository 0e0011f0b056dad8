export { runWorker } from './main.ts'
export { createWorker } from './worker.ts'
export { workerConfig } from './worker-config.ts'

export type { IsolationSources } from './isolate/isolation.ts'
export type { Worker, WorkerOptions } from './worker.ts'
export type { WorkerConfig } from './worker-config.ts'
