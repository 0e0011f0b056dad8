import { type Broker, TASK_MESSAGE_TYPE, type TaskMessage, taskMessageCodec } from '@blockmill/core'

/**
 * Publishes task messages to their work queues and to the monitor, and resolves when the broker has confirmed all of them.
 *
 * @throws NonRetryableError `MESSAGE_TOO_LARGE`; RetryableError `BROKER_PUBLISH_FAILED`.
 */
export async function publishTasks(
  { publisher, topology }: Pick<Broker, 'publisher' | 'topology'>,
  messages: readonly TaskMessage[],
): Promise<void> {
  const outgoing = messages.map((message) => ({
    exchange: topology.exchanges.tasks,
    routingKey: topology.taskKey(message.queue, message.lane),
    body: taskMessageCodec.encode(message),
    type: TASK_MESSAGE_TYPE,
    ...(message.items[0] !== undefined && { messageId: message.items[0].id }),
  }))
  await Promise.all(outgoing.map((message) => publisher.publish(message)))
}
