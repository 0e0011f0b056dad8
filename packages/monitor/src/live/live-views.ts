import { type Database, isFinal, type Query, type TaskState } from '@blockmill/core'

import { readWorkers } from '../http/read-workers.ts'

/** Most rows of coverage that are looked at, those that changed last. */
const MAX_COVERAGE = 1_000
/** Most tasks of one message that have ended, and as many that have not succeeded. */
const MAX_ENDED = 20

/** A task that has ended, for a list that runs along. */
export interface EndedTask {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly block: number | null
  readonly status: TaskState
  readonly generation: number
  readonly attempt: number
  readonly worker: string | null
  readonly finishedAt: Date
  readonly reason: string | null
  /** The head of its message. */
  readonly error: string | null
}

// Of many that ended in one moment, always the same: those that were not told before are told.
const ENDED = (condition: string): string => `(
  select id, chain, name, block_number as block, status, generation, attempt, worker, finished_at as "finishedAt", reason,
    left(error ->> 'message', 200) as error
  from blockmill.task where finished_at > $1 ${condition} order by finished_at desc, id desc limit ${MAX_ENDED})`

// Among thousands of successes a second, those that did not succeed would be seen by chance.
const RECENTLY_ENDED = `${ENDED('')} union ${ENDED(`and status in ('failed', 'dead', 'cancelled', 'orphaned')`)} order by "finishedAt", id`

/** The last tasks that ended since, in this order; those that did not succeed are not crowded out. */
export async function readEndedTasks(query: Query, since: Date): Promise<EndedTask[]> {
  const tasks = await query<EndedTask>(RECENTLY_ENDED, [since])
  return tasks.filter(({ status }) => isFinal(status))
}

/** How far a chain is. */
export interface HeadView {
  readonly chain: string
  readonly latest: number | null
  readonly finalized: number | null
  readonly headsAt: Date | null
}

export function readHeads(query: Query): Promise<HeadView[]> {
  return query<HeadView>(
    'select id as chain, latest_number as latest, finalized_number as finalized, heads_at as "headsAt" from blockmill.chain',
  )
}

/** How far a task with one set of arguments is. */
export interface CoverageMove {
  readonly chain: string
  readonly task: string
  readonly argsHash: string
  readonly head: string
  /** The last block that was evaluated. */
  readonly through: number | null
  readonly evaluatedCount: number
}

export function readCoverageMoves(query: Query): Promise<CoverageMove[]> {
  return query<CoverageMove>(
    `select chain, task, args_hash as "argsHash", head, upper(evaluated) - 1 as through,
       (select coalesce(sum(upper(one) - lower(one)), 0) from unnest(evaluated) as one)::bigint as "evaluatedCount"
     from blockmill.coverage order by updated_at desc limit ${MAX_COVERAGE}`,
  )
}

/** Workers without the tasks that they run, of which there may be many. */
export async function readWorkerMoves(database: Database, now: Date) {
  const workers = await readWorkers(database, now)
  return workers.map(({ running, ...worker }) => ({ ...worker, running: running.length }))
}
