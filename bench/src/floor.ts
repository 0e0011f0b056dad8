import { randomBytes } from 'node:crypto'

import { createTopology, type TaskMessage, type Topology } from '@blockmill/core'
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
  /** How many tasks the monitor is told of in one message. Default 1: it gets a copy of each message. */
  readonly tasksPerAnnouncement?: number
}

/**
 * Tasks in a second with bare amqplib: the same queues, the same number of processes, the same kinds of messages (each task to a
 * work queue and to the monitor's queue, its outcome to the monitor's queue, all persistent and confirmed, acked after that), but
 * no schedule, no handlers, no checks and no database. Ends when the last outcome has arrived.
 */
export async function measureFloor({
  brokerUrl,
  tasks,
  eventsPerMessage,
  tasksPerAnnouncement = 1,
}: FloorOptions): Promise<number> {
  const namespace = `floor-${randomBytes(4).toString('hex')}`
  const topology = createTopology({ namespace })
  await declareTopology(brokerUrl, topology)
  const settings = { brokerUrl, namespace, tasks, eventsPerMessage }
  const worker = await startChild('floor-process.ts', { ...settings, role: 'worker' })
  const monitor = await startChild('floor-process.ts', { ...settings, role: 'monitor' })
  const done = monitor.message('done')
  const start = performance.now()
  await publish({ brokerUrl, topology, tasks, tasksPerAnnouncement })
  await done
  const seconds = (performance.now() - start) / 1_000
  await Promise.all([worker.stop(), monitor.stop()])
  await removeTopology(brokerUrl, topology)
  return tasks / seconds
}

interface PublishOptions extends Required<Pick<FloorOptions, 'brokerUrl' | 'tasks' | 'tasksPerAnnouncement'>> {
  readonly topology: Topology
}

async function publish({ brokerUrl, topology, tasks, tasksPerAnnouncement }: PublishOptions): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createConfirmChannel()
  const { exchanges } = topology
  const isAnnounced = tasksPerAnnouncement > 1
  const key = topology.taskKey('default', 'normal')
  let unconfirmed = 0
  let confirmed = Promise.withResolvers<void>()
  const isWindowFull = () => unconfirmed >= WINDOW
  const send = (exchange: string, routingKey: string, message: TaskMessage): void => {
    unconfirmed += 1
    channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(message)), { persistent: true }, () => {
      unconfirmed -= 1
      confirmed.resolve()
    })
  }
  for (let number = 1; number <= tasks; number += 1) {
    if (isAnnounced && number % tasksPerAnnouncement === 1) {
      const last = Math.min(tasks, number + tasksPerAnnouncement - 1)
      send(exchanges.events, topology.eventKey('scheduled'), taskMessage('noop', number, last))
    }
    send(isAnnounced ? exchanges.work : exchanges.tasks, key, taskMessage('noop', number))
    while (isWindowFull()) {
      confirmed = Promise.withResolvers()
      await confirmed.promise
    }
  }
  await channel.waitForConfirms()
  await connection.close()
}
