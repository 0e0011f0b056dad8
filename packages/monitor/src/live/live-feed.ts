import { createBackfills, type Database } from '@blockmill/core'

import { backfillView } from '../http/backfill-schemas.ts'
import { statsView } from '../http/stats-view.ts'
import type { Snapshot, Statistics } from '../statistics/statistics.ts'
import { createChangedItems } from './changed-items.ts'
import { createLiveHub, LIVE_TYPES, type LiveHub, type LiveHubOptions } from './live-hub.ts'
import {
  type CoverageMove,
  type EndedTask,
  type HeadView,
  readCoverageMoves,
  readEndedTasks,
  readHeads,
  readWorkerMoves,
} from './live-views.ts'

/** Tasks that are recorded later than this after their end are counted, and not listed. */
const ENDED_WITHIN_MS = 5_000
const MAX_BACKFILLS = 100

export interface LiveFeedOptions extends Pick<LiveHubOptions, 'maxSubscribers' | 'maxEvents' | 'maxLength'> {
  readonly database: Database
  readonly statistics: Pick<Statistics, 'latest'>
  readonly now: () => Date
  /** From the end of one look at the record to the next. Default 1 s. */
  readonly intervalMs?: number
}

/** Live events, as long as somebody listens. */
export interface LiveFeed extends Pick<LiveHub, 'subscribe'> {
  /** Ends all subscriptions. Resolves when nothing is asked of the database any more. Idempotent. */
  stop(): Promise<void>
}

/**
 * Makes live events of what the record says, at most one of each type for each look, whatever the load.
 *
 * The record is their only source, also for what this very monitor has stored: so several monitors show the same, and
 * recording does not pay for those who watch. Nothing is asked while nobody listens. All that is said is how things are, and
 * not by how much they have changed, so that nothing goes wrong when it is heard twice or not at all.
 */
export function createLiveFeed(options: LiveFeedOptions): LiveFeed {
  const { intervalMs = 1_000, database, statistics, now } = options
  const { query } = database
  const hub = createLiveHub({
    ...options,
    onFirst: () => {
      // One that began for those who have left since goes on for this one.
      if (looking === undefined) next()
    },
    onNone: () => clearTimeout(timer),
  })
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let isStopped = false

  let seen: Snapshot | undefined
  let listed = new Map<string, EndedTask>()
  const changed = {
    counts: createChangedItems<Snapshot['tasks'][number]>(({ chain, name }) => `${chain} ${name}`),
    heads: createChangedItems<HeadView>(({ chain }) => chain),
    coverage: createChangedItems<CoverageMove>(({ chain, task, argsHash, head }) =>
      [chain, task, argsHash, head].join(),
    ),
    workers: createChangedItems<Awaited<ReturnType<typeof readWorkerMoves>>[number]>(({ name }) => name),
    backfills: createChangedItems<ReturnType<typeof backfillView>>(({ id }) => id),
  }

  const publishSome = (type: 'heads' | 'coverage' | 'workers' | 'backfills', items: readonly object[]): void => {
    if (items.length > 0) hub.publish(type, { [type]: items })
  }

  const newlyEnded = async (): Promise<EndedTask[]> => {
    const ended = await readEndedTasks(query, new Date(now().getTime() - ENDED_WITHIN_MS))
    const before = listed
    listed = new Map(ended.map((task) => [`${task.id} ${task.generation} ${task.status}`, task]))
    return [...listed].filter(([key]) => !before.has(key)).map(([, task]) => task)
  }

  const looks = {
    async stats() {
      const snapshot = statistics.latest()
      if (snapshot === undefined || snapshot === seen) return
      seen = snapshot
      const { tasks: _inTasks, ...stats } = statsView(snapshot, now())
      hub.publish('stats', stats)
    },
    async tasks() {
      const counts = changed.counts(statistics.latest()?.tasks ?? [])
      const ended = await newlyEnded()
      if (counts.length + ended.length > 0) hub.publish('tasks', { counts, ended })
    },
    heads: async () => publishSome('heads', changed.heads(await readHeads(query))),
    coverage: async () => publishSome('coverage', changed.coverage(await readCoverageMoves(query))),
    workers: async () => publishSome('workers', changed.workers(await readWorkerMoves(database, now()))),
    backfills: async () => {
      const jobs = await createBackfills(database).list({ limit: MAX_BACKFILLS })
      publishSome('backfills', changed.backfills(jobs.map(backfillView)))
    },
  }

  const look = async (): Promise<void> => {
    // One after the other: a look must not take the connections that recording needs.
    for (const type of LIVE_TYPES) {
      // The database is away, which recorder and statistics report. The next look tells what was missed.
      if (hub.isWanted(type)) await looks[type]().catch(() => undefined)
    }
    looking = undefined
    if (!isStopped && LIVE_TYPES.some((type) => hub.isWanted(type))) timer = setTimeout(next, intervalMs)
  }
  const next = (): void => {
    looking = look()
  }

  return {
    subscribe: (subscriber) => hub.subscribe(subscriber),
    async stop() {
      isStopped = true
      const last = looking
      hub.close()
      clearTimeout(timer)
      await last
    },
  }
}
