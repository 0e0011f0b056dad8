/** A worker that says nothing for this long is lost. */
const LOST_AFTER_MS = 30_000

/** A worker as far as it tells whether it lives. */
interface SeenWorker {
  readonly state: 'running' | 'stopped'
  readonly startedAt: Date
  readonly lastSeenAt: Date
}

/** True when a worker did not say good-bye and has been silent for 30 seconds. */
export function isLost({ state, lastSeenAt }: SeenWorker, now: Date): boolean {
  return state === 'running' && now.getTime() - lastSeenAt.getTime() > LOST_AFTER_MS
}

/** True when a run that nothing more is known of ended with its worker: that is lost, has stopped, or was started anew since. */
export function isRunLost(startedAt: Date, worker: SeenWorker, now: Date): boolean {
  return isLost(worker, now) || worker.state === 'stopped' || worker.startedAt > startedAt
}
