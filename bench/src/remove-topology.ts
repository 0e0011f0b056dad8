import type { Topology } from '@blockmill/core'
import { connect } from 'amqplib'

/** Deletes what a benchmark declared, for a broker that goes on afterwards. */
export async function removeTopology(brokerUrl: string, topology: Topology): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createChannel()
  for (const { queues, exchanges } of [topology.work('default'), topology.base()]) {
    for (const { name } of queues) await channel.deleteQueue(name)
    for (const { name } of exchanges) await channel.deleteExchange(name)
  }
  await connection.close()
}
