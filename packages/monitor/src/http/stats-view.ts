import type { Snapshot } from '../statistics/statistics.ts'
import type { StatsView } from './monitor-schemas.ts'

/** Totals as the API shows them. */
export function statsView({ at, totals, tasks, rates, oldestWaiting }: Snapshot, now: Date): StatsView {
  return {
    at: at.toISOString(),
    totals,
    tasks: [...tasks],
    rates: {
      windowSeconds: rates.windowSeconds,
      scheduledPerSecond: rates.scheduled,
      finishedPerSecond: rates.finished,
    },
    oldestWaiting: oldestWaiting && {
      id: oldestWaiting.id,
      name: oldestWaiting.name,
      scheduledAt: oldestWaiting.scheduledAt.toISOString(),
      dueAt: oldestWaiting.dueAt.toISOString(),
      ageSeconds: Math.max(0, (now.getTime() - oldestWaiting.dueAt.getTime()) / 1_000),
    },
  }
}
