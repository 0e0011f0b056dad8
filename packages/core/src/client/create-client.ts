import type { Broker } from '../broker/broker.ts'
import type { Database } from '../database/database.ts'
import { taskMessageCodec } from '../message/codec.ts'
import { TASK_MESSAGE_TYPE, type TaskMessage } from '../message/task-message.ts'
import type { Client } from './client.ts'
import { createEnqueue, type EnqueuePorts } from './create-enqueue.ts'
import { createUniqueClaims } from './unique-claims.ts'

/** The parts of a broker client that publishing a task needs. */
type PublishingBroker = Pick<Broker, 'topology' | 'declare' | 'publisher'>

export interface ClientOptions extends Pick<EnqueuePorts, 'chain' | 'registry' | 'maxAttempts' | 'now'> {
  /** A broker client, started and stopped by the caller. */
  readonly broker: PublishingBroker
  /** A database with the current schema (see `migrate`), opened and closed by the caller. Needed for unique tasks alone. */
  readonly database?: Pick<Database, 'query' | 'address'> | undefined
}

/**
 * A client that enqueues tasks from any process: it needs no scheduler and no worker. What it enqueues is recorded like any
 * other task.
 */
export function createClient({ broker, database, ...ports }: ClientOptions): Client {
  return {
    enqueue: createEnqueue({
      ...ports,
      publish: createTaskPublish(broker),
      claims: database && createUniqueClaims(database),
    }),
  }
}

/**
 * @internal Publishes a task message to its work queue and to the monitor, which records it as scheduled. One that may not
 * start yet goes there as well: the worker that receives it sends it round through the delay queues.
 */
export function createTaskPublish(broker: PublishingBroker) {
  const { topology } = broker
  return async function publishTask(message: TaskMessage): Promise<void> {
    const body = taskMessageCodec.encode(message)
    // The monitor takes every message, so nobody would notice that there is no work queue for it.
    await broker.declare(topology.work(message.queue))
    await broker.publisher.publish({
      exchange: topology.exchanges.tasks,
      routingKey: topology.taskKey(message.queue, message.lane),
      body,
      type: TASK_MESSAGE_TYPE,
      messageId: message.items[0]?.id ?? '',
    })
  }
}
