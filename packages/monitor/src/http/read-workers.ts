import { type Database, WorkerEntity } from '@blockmill/core'

import type { WorkerView } from './monitor-schemas.ts'

/** A worker that says nothing for this long is lost. */
const LOST_AFTER_MS = 30_000
/** Workers that have gone stay in the table; a list is for people. */
const MAX_WORKERS = 200

/** Workers, those seen last first. */
export async function readWorkers(database: Database, now: Date): Promise<WorkerView[]> {
  const workers = await database
    .em()
    .find(WorkerEntity, {}, { orderBy: { lastSeenAt: 'desc', name: 'asc' }, limit: MAX_WORKERS })
  return workers.map((worker) => ({
    name: worker.name,
    state: worker.state === 'running' && isLost(worker.lastSeenAt, now) ? 'lost' : worker.state,
    host: worker.host,
    pid: worker.pid,
    queues: [...worker.queues],
    concurrency: worker.concurrency,
    startedAt: worker.startedAt.toISOString(),
    lastSeenAt: worker.lastSeenAt.toISOString(),
    rssBytes: worker.rssBytes,
    eventLoopLagMs: worker.eventLoopLagMs,
    running: worker.running,
  }))
}

function isLost(lastSeenAt: Date, now: Date): boolean {
  return now.getTime() - lastSeenAt.getTime() > LOST_AFTER_MS
}
