import { type Database, WorkerEntity } from '@blockmill/core'

import { isLost } from './lost-worker.ts'
import type { WorkerView } from './monitor-schemas.ts'

/** Workers that have gone stay in the table; a list is for people. */
const MAX_WORKERS = 200

/** Workers, those seen last first. */
export async function readWorkers(database: Database, now: Date): Promise<WorkerView[]> {
  const workers = await database
    .em()
    .find(WorkerEntity, {}, { orderBy: { lastSeenAt: 'desc', name: 'asc' }, limit: MAX_WORKERS })
  return workers.map((worker) => ({
    name: worker.name,
    state: isLost(worker, now) ? 'lost' : worker.state,
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
