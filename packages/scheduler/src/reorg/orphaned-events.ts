import { type Broker, EVENT_MESSAGE_TYPE, eventMessageCodec } from '@blockmill/core'

import { cancelTasks, inParts } from '../cancel-tasks.ts'
import type { OrphanedBlock } from './branch-store.ts'
import type { RecentTask } from './recent-tasks.ts'

/** Most events in one message. */
const EVENTS_PER_MESSAGE = 200

/** A task that is orphaned with its block. */
export type OrphanedTask = RecentTask & Pick<OrphanedBlock, 'generation'>

export interface OrphanPorts {
  readonly chain: string
  readonly broker: Pick<Broker, 'publisher' | 'topology' | 'listen'>
  /** Name of this scheduler. */
  readonly by: string
}

/**
 * Reports tasks as orphaned, and resolves when the broker has confirmed that.
 *
 * The generation is that of the reorganisation. So an orphaned task stays orphaned whatever its worker reports of it, and its
 * earlier outcome becomes history; and reporting it again changes nothing.
 */
export async function publishOrphaned(
  { chain, broker, by }: OrphanPorts,
  tasks: readonly OrphanedTask[],
): Promise<void> {
  const { topology, publisher } = broker
  const publishing = inParts(tasks, EVENTS_PER_MESSAGE).map((part) => {
    const events = part.map(({ id, task, block, hash, generation }) => ({
      type: 'orphaned' as const,
      taskId: id,
      chain,
      task,
      block,
      generation,
      attempt: 1,
      postpones: 0,
      at: new Date(generation).toISOString(),
      reason: `the chain has replaced block ${hash}`,
    }))
    return publisher.publish({
      exchange: topology.exchanges.events,
      routingKey: topology.eventKey('orphaned'),
      body: eventMessageCodec.encode({ v: 1, worker: by, sentAt: new Date().toISOString(), events }),
      type: EVENT_MESSAGE_TYPE,
    })
  })
  await Promise.all(publishing)
}

/**
 * Calls tasks off that wait or run. The order has the time of the reorganisation: should the block come back, its tasks have a
 * later generation, and are not meant.
 */
export async function cancelOrphaned({ broker, by }: OrphanPorts, tasks: readonly OrphanedTask[]): Promise<void> {
  const generations = new Set(tasks.map(({ generation }) => generation))
  const cancelling = [...generations].map((generation) => {
    const ids = tasks.filter((one) => one.generation === generation).map(({ id }) => id)
    return cancelTasks(broker, ids, { by, nowMs: generation })
  })
  await Promise.all(cancelling)
}
