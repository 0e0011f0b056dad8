import { randomBytes } from 'node:crypto'

import { createTopology, taskId, type Topology } from '@blockmill/core'
import { connect } from 'amqplib'

import { startChild } from './child.ts'
import { removeTopology } from './remove-topology.ts'

/** Most messages that are published and not confirmed. */
const WINDOW = 1_000

export interface FloorOptions {
  readonly brokerUrl: string
  readonly tasks: number
  /** How many outcomes travel in one event message. */
  readonly eventsPerMessage: number
}

/**
 * Tasks in a second with bare amqplib: the same queues, the same number of processes, the same messages (each task to a work
 * queue and to the monitor's queue, its outcome to the monitor's queue, all persistent and confirmed, acked after that), but
 * no schedule, no handlers, no checks and no database. Ends when the last outcome has arrived.
 */
export async function measureFloor({ brokerUrl, tasks, eventsPerMessage }: FloorOptions): Promise<number> {
  const namespace = `floor-${randomBytes(4).toString('hex')}`
  const topology = createTopology({ namespace })
  await declare(brokerUrl, topology)
  const settings = { brokerUrl, namespace, tasks, eventsPerMessage }
  const worker = await startChild('floor-process.ts', { ...settings, role: 'worker' })
  const monitor = await startChild('floor-process.ts', { ...settings, role: 'monitor' })
  const done = monitor.message('done')
  const start = performance.now()
  await publish(brokerUrl, topology, tasks)
  await done
  const seconds = (performance.now() - start) / 1_000
  await Promise.all([worker.stop(), monitor.stop()])
  await removeTopology(brokerUrl, topology)
  return tasks / seconds
}

async function declare(brokerUrl: string, topology: Topology): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createChannel()
  for (const { exchanges, queues, bindings } of [topology.base(), topology.work('default')]) {
    for (const { name, type, arguments: args } of exchanges)
      await channel.assertExchange(name, type, { arguments: args })
    for (const { name, arguments: args } of queues) await channel.assertQueue(name, { arguments: args })
    for (const { queue, exchange, pattern } of bindings) await channel.bindQueue(queue, exchange, pattern)
  }
  await connection.close()
}

async function publish(brokerUrl: string, topology: Topology, tasks: number): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createConfirmChannel()
  const key = topology.taskKey('default', 'normal')
  let unconfirmed = 0
  let confirmed = Promise.withResolvers<void>()
  const isWindowFull = () => unconfirmed >= WINDOW
  for (let number = 1; number <= tasks; number += 1) {
    const body = Buffer.from(JSON.stringify(taskBody(number)))
    unconfirmed += 1
    channel.publish(topology.exchanges.tasks, key, body, { persistent: true }, () => {
      unconfirmed -= 1
      confirmed.resolve()
    })
    while (isWindowFull()) {
      confirmed = Promise.withResolvers()
      await confirmed.promise
    }
  }
  await channel.waitForConfirms()
  await connection.close()
}

/** As large as a task message. */
function taskBody(number: number): object {
  const id = taskId({ chain: 'bench', task: 'noop', args: {}, block: { number } })
  const routing = { queue: 'default', lane: 'normal', priority: 10 }
  const attempts = { attempt: 1, postpones: 0, maxAttempts: 3 }
  const times = { scheduledAt: new Date().toISOString(), cause: 'live' }
  return {
    v: 1,
    chain: 'bench',
    task: 'noop',
    ...routing,
    ...attempts,
    ...times,
    items: [{ id, block: { number }, args: {} }],
  }
}
