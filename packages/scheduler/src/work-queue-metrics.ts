import { type Broker, LANES, type Metrics } from '@blockmill/core'
import { Gauge } from 'prom-client'

export interface WorkQueueMetricsOptions {
  readonly registry: Metrics
  readonly broker: Pick<Broker, 'depth' | 'topology'>
  readonly queues: readonly string[]
}

/**
 * Registers the depth of the work queues, for which the broker is asked at each scrape. Without the label `chain`, because
 * the chains share the queues.
 */
export function registerWorkQueueMetrics({ registry, broker, queues }: WorkQueueMetricsOptions): void {
  const lanes = queues.flatMap((queue) => LANES.map((lane) => ({ queue, lane })))
  const messages = new Gauge({
    name: 'blockmill_work_queue_messages',
    help: 'Messages ready in a lane of a queue; those that workers hold are not among them.',
    labelNames: ['queue', 'lane'],
    registers: [],
    async collect() {
      const ask = async ({ queue, lane }: (typeof lanes)[number]): Promise<void> => {
        // Without a connection there is nothing to say; `blockmill_broker_connected` says that.
        const depth = await broker.depth(broker.topology.workQueue(queue, lane)).catch(() => undefined)
        if (depth === undefined) this.remove({ queue, lane })
        else this.set({ queue, lane }, depth.messages)
      }
      await Promise.all(lanes.map(ask))
    },
  })
  registry.registerMetric(messages)
}
