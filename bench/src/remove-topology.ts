import type { Topology } from '@blockmill/core'
import { connect } from 'amqplib'

/**
 * Deletes what a benchmark declared, for a broker that goes on afterwards.
 *
 * @param delaysMs steps of the delay ladder that it used.
 */
export async function removeTopology(
  brokerUrl: string,
  topology: Topology,
  delaysMs: readonly number[] = [],
): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createChannel()
  for (const { queues, exchanges } of [
    ...delaysMs.map((step) => topology.delay(step)),
    topology.work('default'),
    topology.base(),
  ]) {
    for (const { name } of queues) await channel.deleteQueue(name)
    for (const { name } of exchanges) await channel.deleteExchange(name)
  }
  await connection.close()
}
