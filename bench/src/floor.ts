import { randomBytes } from 'node:crypto'

import { createTopology, type Topology } from '@blockmill/core'
import { connect } from 'amqplib'

import { startChild } from './child.ts'
import { declareTopology } from './declare-topology.ts'
import { removeTopology } from './remove-topology.ts'
import { taskMessage } from './task-messages.ts'

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
  await declareTopology(brokerUrl, topology)
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

async function publish(brokerUrl: string, topology: Topology, tasks: number): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createConfirmChannel()
  const key = topology.taskKey('default', 'normal')
  let unconfirmed = 0
  let confirmed = Promise.withResolvers<void>()
  const isWindowFull = () => unconfirmed >= WINDOW
  for (let number = 1; number <= tasks; number += 1) {
    const body = Buffer.from(JSON.stringify(taskMessage('noop', number)))
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
