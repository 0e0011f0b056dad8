// The worker's or the monitor's part of the floor: what must happen on the broker, and nothing else.
import { createTopology } from '@blockmill/core'
import { connect } from 'amqplib'

import { asChild } from './child.ts'

/** How a floor process is set up. */
export interface FloorSettings {
  readonly role: 'worker' | 'monitor'
  readonly brokerUrl: string
  readonly namespace: string
  readonly tasks: number
  readonly eventsPerMessage: number
}

const PREFETCH = 500
/** The shortest body that says how one task ended. */
const EVENT = { type: 'succeeded', taskId: '00000000-0000-8000-8000-000000000000', at: new Date(0).toISOString() }

const { settings, stopped } = asChild()
const { role, brokerUrl, namespace, tasks, eventsPerMessage } = settings as FloorSettings
const topology = createTopology({ namespace })
const connection = await connect(brokerUrl)
const channel = await connection.createConfirmChannel()
await (role === 'worker' ? work() : count())
process.send?.('ready')
await stopped
await connection.close()

/** Publishes the outcomes of what arrives, and acks it when they are confirmed. */
async function work(): Promise<void> {
  await channel.prefetch(PREFETCH)
  let finished = 0
  let taken = 0
  await channel.consume(topology.workQueue('default', 'normal'), (message) => {
    if (message === null) return
    finished += 1
    taken += 1
    if (finished < eventsPerMessage && taken < tasks) return
    const body = Buffer.from(JSON.stringify({ v: 1, events: Array.from({ length: finished }, () => EVENT) }))
    const acknowledge = () => channel.ack(message, true)
    channel.publish(topology.exchanges.events, topology.eventKey('batch'), body, { persistent: true }, acknowledge)
    finished = 0
  })
}

/** Counts outcomes, and says when all are there. */
async function count(): Promise<void> {
  await channel.prefetch(4 * PREFETCH)
  let outcomes = 0
  let messages = 0
  await channel.consume(topology.monitorQueue, (message) => {
    if (message === null) return
    messages += 1
    if (message.fields.routingKey === topology.eventKey('batch')) {
      const { events } = JSON.parse(message.content.toString()) as { events: unknown[] }
      outcomes += events.length
    }
    if (messages % PREFETCH === 0 || outcomes === tasks) channel.ack(message, true)
    if (outcomes === tasks) process.send?.('done')
  })
}
