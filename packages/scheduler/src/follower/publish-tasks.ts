import {
  type Broker,
  type OutgoingMessage,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'

/** Most tasks that the monitor is told of in one message … */
const MAX_ANNOUNCED = 100
/** … and most bytes of their own messages together. The monitor holds up to 2,000 messages at once. */
const MAX_ANNOUNCED_BYTES = 64 * 1024

/**
 * Publishes task messages to their work queues and tells the monitor of them, and resolves when the broker has confirmed all
 * of that.
 *
 * A message by itself goes to both through the exchange of tasks. Of several that differ in their tasks alone, the monitor
 * gets one message with the tasks of all, before the work queues get theirs: a copy of each would cost the broker as much as
 * the work itself does. Whoever publishes adds blocks to the coverage only after all was confirmed, so that after a crash in
 * between both are published again, with the same ids.
 *
 * @throws NonRetryableError `MESSAGE_TOO_LARGE`; RetryableError `BROKER_PUBLISH_FAILED`.
 */
export async function publishTasks(
  { publisher, topology }: Pick<Broker, 'publisher' | 'topology'>,
  messages: readonly TaskMessage[],
): Promise<void> {
  const { tasks, work, events } = topology.exchanges
  const taskTo = (exchange: string, { message, body }: Encoded): OutgoingMessage => ({
    exchange,
    routingKey: topology.taskKey(message.queue, message.lane),
    body,
    type: TASK_MESSAGE_TYPE,
    messageId: message.items[0]?.id ?? '',
  })
  const toMonitor = (message: TaskMessage): OutgoingMessage => ({
    exchange: events,
    routingKey: topology.eventKey('scheduled'),
    body: taskMessageCodec.encode(message),
    type: TASK_MESSAGE_TYPE,
    messageId: message.items[0]?.id ?? '',
  })
  const encoded = messages.map((message) => ({ message, body: taskMessageCodec.encode(message) }))
  const outgoing = groupsOf(encoded).flatMap(({ members }) =>
    members.length === 1
      ? members.map((one) => taskTo(tasks, one))
      : [toMonitor(announcementOf(members)), ...members.map((one) => taskTo(work, one))],
  )
  await Promise.all(outgoing.map((message) => publisher.publish(message)))
}

interface Encoded {
  readonly message: TaskMessage
  readonly body: Buffer
}

/** Messages that are announced together. */
interface Group {
  readonly members: Encoded[]
  tasks: number
  bytes: number
}

/** In their order: each joins those before it, as long as one announcement can hold them. */
function groupsOf(messages: readonly Encoded[]): Group[] {
  const groups: Group[] = []
  for (const one of messages) {
    const last = groups.at(-1)
    const tasks = one.message.items.length + (last?.tasks ?? 0)
    const bytes = one.body.length + (last?.bytes ?? 0)
    if (last !== undefined && tasks <= MAX_ANNOUNCED && bytes <= MAX_ANNOUNCED_BYTES && isAlike(last, one)) {
      last.members.push(one)
      last.tasks = tasks
      last.bytes = bytes
    } else {
      groups.push({ members: [one], tasks: one.message.items.length, bytes: one.body.length })
    }
  }
  return groups
}

/** Whether it is like those of the group in everything but its tasks. */
function isAlike({ members }: Group, { message }: Encoded): boolean {
  const [{ message: first }] = members as [Encoded]
  const keys = Object.keys(first) as (keyof TaskMessage)[]
  return (
    keys.length === Object.keys(message).length && keys.every((key) => key === 'items' || first[key] === message[key])
  )
}

/** The tasks of all in one message, which no worker sees. */
function announcementOf(members: readonly Encoded[]): TaskMessage {
  const [first] = members as [Encoded]
  return { ...first.message, items: members.flatMap(({ message }) => message.items) }
}
