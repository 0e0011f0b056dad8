import type { Database } from '@blockmill/core'

/** A question to the REST API: a path below `/api/v1`, which may be another one at each turn. */
export type Questions = Readonly<Record<string, (turn: number) => string>>

/** What is on record, to ask about. */
interface Known {
  readonly blocks: number
  /** Tasks at random. */
  readonly ids: readonly string[]
  /** Tasks with earlier attempts. */
  readonly retriedIds: readonly string[]
  readonly fingerprints: readonly string[]
  readonly oldest: Date
  readonly latest: Date
}

const HOUR_MS = 3_600_000

/** What pages and scripts ask of the record that `fillHistory` fills, also what fits no task at all. */
export async function apiQuestions(database: Pick<Database, 'query'>): Promise<Questions> {
  const known = await readKnown(database)
  const pick = <Value>(values: readonly Value[], turn: number): Value => values[turn % values.length] as Value
  /** A point of the history, spread over all of it. */
  const block = (turn: number): number => 1 + ((turn * 7_919) % known.blocks)
  const time = (turn: number, hours = 0): string => {
    const span = known.latest.getTime() - known.oldest.getTime()
    return new Date(known.oldest.getTime() + ((turn * 0.618) % 1) * span + hours * HOUR_MS).toISOString()
  }
  const future = new Date(known.latest.getTime() + 9_999 * HOUR_MS).toISOString()
  const past = new Date(known.oldest.getTime() - HOUR_MS).toISOString()
  const list = (query: string) => (): string => `/tasks?${query}`
  return {
    'first page': list(''),
    'first page of 500': list('limit=500'),
    'oldest first': list('order=asc'),
    'a page deep inside': (turn) => `/tasks?cursor=${pick(known.ids, turn)}`,
    'a page deep inside, one task and state': (turn) =>
      `/tasks?name=index-weights&status=failed&cursor=${pick(known.ids, turn)}`,
    ...Object.fromEntries(
      ['scheduled', 'running', 'retrying', 'postponed', 'cancelled', 'orphaned', 'failed', 'dead', 'succeeded'].map(
        (status) => [`status ${status}`, list(`status=${status}`)],
      ),
    ),
    'status failed or succeeded': list('status=failed&status=succeeded'),
    'status failed or running': list('status=failed&status=running'),
    'name, frequent': list('name=index-weights'),
    'name, rare': list('name=audit-supply'),
    'name, unknown': list('name=nothing'),
    'name and status': list('name=snapshot-subnet&status=failed'),
    'name and status that do not meet': list('name=recount&status=cancelled'),
    'name and finished states that do not meet': list('name=recount&status=failed&status=dead&status=cancelled'),
    'queue, frequent': list('queue=default'),
    'queue, rare': list('queue=nightly'),
    'queue, unknown': list('queue=nothing'),
    'queue and status': list('queue=reports&status=failed'),
    'queue and status, rare': list('queue=nightly&status=dead'),
    'queue and name': list('queue=reports&name=export-metagraph'),
    'queue and name that do not meet': list('queue=reports&name=index-weights'),
    'chain, unknown': list('chain=nothing'),
    'chain, name and status': list('chain=bench&name=index-weights&status=succeeded'),
    fingerprint: (turn) => `/tasks?fingerprint=${pick(known.fingerprints, turn)}`,
    'fingerprint, unknown': list('fingerprint=0000000000000000'),
    'blocks, a thousand': (turn) => `/tasks?blockFrom=${block(turn)}&blockTo=${block(turn) + 999}`,
    'blocks up to one': (turn) => `/tasks?blockTo=${block(turn)}`,
    'blocks from one, oldest first': (turn) => `/tasks?blockFrom=${block(turn)}&order=asc`,
    'blocks that are not there': list(`blockFrom=${known.blocks * 10}&blockTo=${known.blocks * 10 + 1_000}`),
    'blocks and name': (turn) => `/tasks?name=snapshot-subnet&blockTo=${block(turn)}`,
    'blocks and status': (turn) => `/tasks?status=failed&blockTo=${block(turn)}`,
    'blocks and queue': (turn) => `/tasks?queue=reports&blockFrom=${block(turn)}&blockTo=${block(turn) + 5_000}`,
    'blocks and queue that do not meet': (turn) => `/tasks?queue=nothing&blockTo=${block(turn)}`,
    'scheduled within an hour': (turn) => `/tasks?scheduledFrom=${time(turn)}&scheduledTo=${time(turn, 1)}`,
    'scheduled before': (turn) => `/tasks?scheduledTo=${time(turn)}`,
    'scheduled since': (turn) => `/tasks?scheduledFrom=${time(turn)}`,
    'scheduled since, oldest first': (turn) => `/tasks?scheduledFrom=${time(turn)}&order=asc`,
    'scheduled, in the future': list(`scheduledFrom=${future}`),
    'scheduled, before all': list(`scheduledTo=${past}`),
    'finished within an hour': (turn) => `/tasks?finishedFrom=${time(turn)}&finishedTo=${time(turn, 1)}`,
    'finished before': (turn) => `/tasks?finishedTo=${time(turn)}`,
    'finished since': (turn) => `/tasks?finishedFrom=${time(turn)}`,
    'finished since, oldest first': (turn) => `/tasks?finishedFrom=${time(turn)}&order=asc`,
    'finished, before all': list(`finishedTo=${past}`),
    'finished within a day, one task': (turn) =>
      `/tasks?name=index-weights&finishedFrom=${time(turn)}&finishedTo=${time(turn, 24)}`,
    'finished before, one rare task': (turn) => `/tasks?name=audit-supply&finishedTo=${time(turn)}`,
    'finished since, one queue': (turn) => `/tasks?queue=reports&finishedFrom=${time(turn)}`,
    'finished since, failed': (turn) => `/tasks?status=failed&finishedFrom=${time(turn)}`,
    'finished before, failed, one task': (turn) => `/tasks?status=failed&name=track-stake&finishedTo=${time(turn)}`,
    'finished since, a task that was not': (turn) => `/tasks?name=nothing&finishedFrom=${time(turn)}`,
    'one task': (turn) => `/tasks/${pick(known.ids, turn)}`,
    'one task with its attempts': (turn) => `/tasks/${pick(known.retriedIds, turn)}`,
    gaps: () => '/gaps',
    'gaps of one task': () => '/gaps?task=track-stake',
    'gaps in a range of blocks': (turn) => `/gaps?from=${block(turn)}&to=${block(turn) + 5_000}`,
    coverage: () => '/coverage',
    stats: () => '/stats',
    failures: () => '/failures',
    'failures of one task': () => '/failures?task=index-weights',
    'failures of the last day': () =>
      `/failures?since=${new Date(known.latest.getTime() - 24 * HOUR_MS).toISOString()}`,
    workers: () => '/workers',
  }
}

async function readKnown({ query }: Pick<Database, 'query'>): Promise<Known> {
  const ids = async (from: string): Promise<string[]> => (await query<{ id: string }>(from)).map(({ id }) => id)
  const [times] = await query<{ blocks: number; oldest: Date; latest: Date }>(
    `select (select max(block_number) from blockmill.task where name = 'index-weights' and chain = 'bench') as blocks,
       min(finished_at) as oldest, max(finished_at) as latest from blockmill.task where finished_at is not null`,
  )
  if (times === undefined) throw new Error('Nothing is on record.')
  return {
    ...times,
    ids: await ids(
      'select id from (select id from blockmill.task tablesample system (1) limit 20000) as sampled order by random() limit 500',
    ),
    retriedIds: await ids('select task_id as id from blockmill.task_attempt limit 500'),
    fingerprints: await ids('select distinct fingerprint as id from blockmill.task where fingerprint is not null'),
  }
}
