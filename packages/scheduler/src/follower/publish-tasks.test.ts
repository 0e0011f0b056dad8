import { setImmediate } from 'node:timers/promises'

import { defineTask, type JsonObject, type TaskMessage } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createRecordingBroker, type RecordingBroker } from '../../test/recording-broker.ts'
import { planMessages } from '../planner/plan-messages.ts'
import { publishTasks } from './publish-tasks.ts'

const snapshot = defineTask({ name: 'snapshot', run: () => null })

/** A message of some blocks, as it is planned but for what is said of it. */
function message(blocks: readonly number[], args: JsonObject = {}, head: Partial<TaskMessage> = {}): TaskMessage {
  const [planned] = planMessages({
    chain: 'dev',
    definition: snapshot,
    args,
    blocks: blocks.map((number) => ({ number })),
    cause: 'backfill',
    chunk: blocks.length,
    scheduledAt: new Date('2026-01-02T03:04:05.678Z'),
    defaultMaxAttempts: 3,
  })
  return { ...(planned as TaskMessage), ...head }
}

const separate = (count: number, args?: JsonObject) =>
  Array.from({ length: count }, (_, index) => message([index + 1], args))

async function publish(messages: readonly TaskMessage[]): Promise<RecordingBroker> {
  const broker = createRecordingBroker()
  await broker.declare(broker.topology.work('default'))
  await publishTasks(broker, messages)
  return broker
}

const sizes = (messages: readonly TaskMessage[]) => messages.map(({ items }) => items.length)
/** The exchanges that messages went to, each run of one as one. */
const exchanges = ({ published }: RecordingBroker) =>
  published
    .map(({ exchange }) => exchange.replace('blockmill.', ''))
    .filter((name, index, all) => name !== all[index - 1])

describe('publishTasks', () => {
  it('sends one message to its work queue and to the monitor at once', async () => {
    const only = message([7])
    const broker = await publish([only])
    expect(broker.messages).toEqual([only])
    expect(broker.announcements).toEqual([])
    expect(exchanges(broker)).toEqual(['tasks'])
    expect(broker.ready(broker.topology.monitorQueue)).toHaveLength(1)
  })

  it('sends each of several to its work queue, and tells the monitor of all in one message before', async () => {
    const messages = separate(3)
    const broker = await publish(messages)
    expect(broker.messages).toEqual(messages)
    expect(broker.announcements).toEqual([message([1, 2, 3])])
    expect(exchanges(broker)).toEqual(['events', 'work'])
    expect(broker.ready(broker.topology.workQueue('default', 'low'))).toHaveLength(3)
    expect(broker.ready(broker.topology.monitorQueue)).toHaveLength(1)
    expect(broker.published[0]).toMatchObject({
      routingKey: 'event.scheduled',
      type: 'blockmill.task.v1',
      messageId: messages[0]?.items[0]?.id,
    })
  })

  it('announces at most 100 tasks at a time, and one that is left over goes with its copy', async () => {
    const broker = await publish(separate(201))
    expect(sizes(broker.announcements)).toEqual([100, 100])
    expect(broker.messages).toHaveLength(201)
    expect(exchanges(broker)).toEqual(['events', 'work', 'events', 'work', 'tasks'])
  })

  it('counts the tasks of chunks, and sends a chunk that fills an announcement with its copy', async () => {
    const chunk = (from: number, size: number) => message(Array.from({ length: size }, (_, index) => from + index))
    const broker = await publish([chunk(1, 40), chunk(41, 40), chunk(81, 40), chunk(121, 100)])
    expect(sizes(broker.announcements)).toEqual([80])
    expect(exchanges(broker)).toEqual(['events', 'work', 'tasks'])
    expect(sizes(broker.messages)).toEqual([40, 40, 40, 100])
  })

  it('announces no more than 64 KiB', async () => {
    const args = { text: 'x'.repeat(20_000) }
    const broker = await publish(separate(7, args))
    expect(sizes(broker.announcements)).toEqual([3, 3])
    expect(broker.messages).toHaveLength(7)
    expect(exchanges(await publish(separate(2, { text: 'x'.repeat(40_000) })))).toEqual(['tasks'])
  })

  it.each<[string, Partial<TaskMessage>]>([
    ['another generation', { generation: 5 }],
    ['another queue', { queue: 'other' }],
    ['another lane', { lane: 'high' }],
    ['another task', { task: 'other' }],
    ['another number of attempts', { maxAttempts: 4 }],
    ['another time', { scheduledAt: '2026-01-02T03:04:05.679Z' }],
  ])('announces what differs by itself: %s', async (_, head) => {
    const broker = await publish([...separate(2), message([3], {}, head), message([4], {}, head), message([5])])
    expect(broker.announcements).toEqual([message([1, 2]), message([3, 4], {}, head)])
    expect(broker.messages).toHaveLength(5)
  })

  it('publishes nothing when one of them is too large', async () => {
    const huge = message([9], { text: 'x'.repeat(1_100_000) })
    const broker = createRecordingBroker()
    await expect(publishTasks(broker, [...separate(3), huge])).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(broker.published).toEqual([])
  })

  it.each(['events', 'work'] as const)('fails when only a message to %s is refused', async (exchange) => {
    const broker = createRecordingBroker()
    broker.failNext(1, new Error('refused'), broker.topology.exchanges[exchange])
    await expect(publishTasks(broker, separate(3))).rejects.toThrow('refused')
    const sent = { announcements: broker.announcements.length, messages: broker.messages.length }
    expect(sent).toEqual(exchange === 'events' ? { announcements: 0, messages: 3 } : { announcements: 1, messages: 2 })
  })

  it.each(['events', 'work'] as const)('waits for the confirms of %s', async (exchange) => {
    const broker = createRecordingBroker()
    const name = broker.topology.exchanges[exchange]
    broker.confirm(false, name)
    const publishing = publishTasks(broker, separate(2))
    expect(await Promise.race([publishing.then(() => 'resolved'), setImmediate('waits')])).toBe('waits')
    expect([broker.announcements.length, broker.messages.length]).toEqual([1, 2])
    broker.confirm(true, name)
    await publishing
  })
})
