import { type ControlReply, type Lane, LANES } from '@blockmill/core'

import { textTable } from '../text-table.ts'
import { workerStats } from './answers.ts'
import type { ControlPorts } from './with-control.ts'

/** A lane of a queue as broker, workers and monitor see it. */
export interface QueueLane {
  readonly queue: string
  readonly lane: Lane
  /** Messages that wait on the broker; null when there is no such queue. */
  readonly messages: number | null
  readonly consumers: number
  readonly paused: boolean
}

/** The queues that workers serve, that monitors know of, and these. */
export async function listQueues(
  { control, broker }: ControlPorts,
  named: readonly string[] = [],
): Promise<readonly QueueLane[]> {
  const replies = await control.stats()
  const paused = pausedLanes(replies)
  const queues = new Set([...named, ...workerStats(replies).flatMap((worker) => worker.queues), ...paused.queues])
  return Promise.all(
    [...queues].sort().flatMap((queue) =>
      LANES.map(async (lane) => {
        const depth = await broker.depth(broker.topology.workQueue(queue, lane))
        return {
          queue,
          lane,
          messages: depth?.messages ?? null,
          consumers: depth?.consumers ?? 0,
          paused: paused.has(queue, lane),
        }
      }),
    ),
  )
}

/** Lanes in a table. */
export function queueTable(lanes: readonly QueueLane[]): string {
  return textTable(
    ['queue', 'lane', 'waiting', 'consumers', 'state'],
    lanes.map(({ queue, lane, messages, consumers, paused }) => [
      queue,
      lane,
      messages ?? '-',
      consumers,
      paused ? 'paused' : 'running',
    ]),
  )
}

/** Paused is what the monitor has on record, or a worker knows. */
function pausedLanes(replies: readonly ControlReply[]) {
  const known = replies.flatMap((reply) => {
    if (reply.type === 'worker-stats') return reply.paused
    return reply.type === 'monitor-stats' ? reply.lanes : []
  })
  const paused = known.filter((lane) => lane.paused)
  return {
    queues: known.map(({ queue }) => queue),
    has: (queue: string, lane: Lane) => paused.some((one) => one.queue === queue && one.lane === lane),
  }
}
