import { connect } from 'amqplib'
import {
  assertTopology,
  createTopology,
  defineTask,
  TASK_MESSAGE_TYPE,
  taskId,
  taskMessageCodec,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { liveRig } from './live-rig.ts'

const shared = testBroker()
const topology = createTopology({ namespace: shared.namespace })
const { startWorker, events } = liveRig(shared)

let connection: Awaited<ReturnType<typeof connect>>
beforeAll(async () => {
  connection = await connect(shared.url)
})
afterAll(() => connection.close())

it('runs and reports a task that a producer with its own AMQP client published, before any worker was there', async () => {
  const channel = await connection.createConfirmChannel()
  await assertTopology(channel, topology, { queues: ['foreign'] })
  // A second monitor queue: what the monitor gets of a task is a copy of its message.
  const { queue: copies } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(copies, topology.exchanges.tasks, '#')

  const block = { number: 1_000 }
  const args = { netuid: 3 }
  const id = taskId({ chain: 'dev', task: 'foreign', args, block })
  // Written out, as another program would: no type of ours has helped to make it.
  const body = {
    v: 1,
    chain: 'dev',
    task: 'foreign',
    queue: 'foreign',
    lane: 'normal',
    priority: 10,
    attempt: 1,
    postpones: 0,
    maxAttempts: 3,
    scheduledAt: new Date().toISOString(),
    cause: 'manual',
    items: [{ id, block, args }],
  }
  channel.publish(topology.exchanges.tasks, 'task.foreign.normal', Buffer.from(JSON.stringify(body)), {
    persistent: true,
    contentType: 'application/json',
    type: TASK_MESSAGE_TYPE,
    messageId: id,
  })
  await channel.waitForConfirms()

  const run = defineTask<{ netuid: number }>({
    name: 'foreign',
    args: [],
    run: (context) => ({ block: context.block.number, netuid: context.args.netuid }),
  })
  await startWorker('foreign', [run])
  await waitFor(() => events('foreign').length === 1, { describe: 'the event' })
  expect(events('foreign')).toMatchObject([
    { type: 'succeeded', taskId: id, block: 1_000, result: { block: 1_000, netuid: 3 } },
  ])

  const copy = await channel.get(copies, { noAck: true })
  if (copy === false) throw new Error('the monitor gets no copy')
  expect(copy.properties).toMatchObject({ type: TASK_MESSAGE_TYPE, messageId: id })
  expect(taskMessageCodec.decode(copy.content)).toEqual(body)
})
