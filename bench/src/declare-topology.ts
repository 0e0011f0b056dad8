import type { Topology } from '@blockmill/core'
import { connect } from 'amqplib'

/** Declares what a worker of the default queue and a monitor would, for measuring without them. */
export async function declareTopology(brokerUrl: string, topology: Topology): Promise<void> {
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
