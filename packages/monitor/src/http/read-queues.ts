import { type Broker, type Database, type Lane, LANES } from '@blockmill/core'

import { readLanes } from '../control/control-store.ts'

/** A lane of a queue as broker and record have it. */
export interface QueueLaneView {
  readonly lane: Lane
  /** Messages that wait at the broker; null when there is no such queue there. */
  readonly ready: number | null
  readonly consumers: number
  readonly paused: boolean
  readonly changedAt: string | null
  readonly changedBy: string | null
}

/** A queue with its lanes. */
export interface QueueView {
  readonly queue: string
  readonly lanes: QueueLaneView[]
}

/** Queues of workers that were seen within this time are shown. */
const WORKERS_SEEN_DAYS = 7
/** Each lane is a question to the broker. */
const MAX_QUEUES = 100

const KNOWN = `
select distinct queue from (
  select 'default' as queue
  union all select queue from blockmill.queue_state
  union all select jsonb_array_elements_text(queues) from blockmill.worker
    where last_seen_at > $1::timestamptz - interval '${WORKERS_SEEN_DAYS} days'
) as known order by queue limit ${MAX_QUEUES}`

export interface QueuePorts {
  readonly database: Database
  readonly broker: Pick<Broker, 'topology' | 'depth'>
}

/** The queues that workers serve or have served within a week, that orders were given about, and `default`. */
export async function readQueues(ports: QueuePorts, now: Date): Promise<QueueView[]> {
  const rows = await ports.database.query<{ queue: string }>(KNOWN, [now])
  return readNamedQueues(
    ports,
    rows.map(({ queue }) => queue),
  )
}

/** These queues. */
export async function readNamedQueues(
  { database, broker }: QueuePorts,
  queues: readonly string[],
): Promise<QueueView[]> {
  const states = await readLanes(database.query)
  const laneView = async (queue: string, lane: Lane): Promise<QueueLaneView> => {
    const depth = await broker.depth(broker.topology.workQueue(queue, lane))
    const state = states.find((one) => one.queue === queue && one.lane === lane)
    return {
      lane,
      ready: depth?.messages ?? null,
      consumers: depth?.consumers ?? 0,
      paused: state?.paused === true,
      changedAt: state === undefined ? null : new Date(state.changedAt).toISOString(),
      changedBy: state?.changedBy ?? null,
    }
  }
  return Promise.all(
    queues.map(async (queue) => ({ queue, lanes: await Promise.all(LANES.map((lane) => laneView(queue, lane))) })),
  )
}
