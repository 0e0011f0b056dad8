import { Counter, Gauge } from 'prom-client'

import type { Metrics } from '../observability/metrics.ts'
import type { ConfirmPublisher } from './confirm-publisher.ts'
import type { ConnectionRole, ManagedConnection } from './managed-connection.ts'

/**
 * Registers what a broker client measures. Values are read when they are scraped, so publishing pays nothing for them.
 * One broker client per registry.
 */
export function registerBrokerMetrics(
  registry: Metrics,
  connections: Readonly<Record<ConnectionRole, ManagedConnection>>,
  publisher: ConfirmPublisher,
): void {
  const roles = Object.entries(connections)
  const metrics = [
    new Gauge({
      name: 'blockmill_broker_connected',
      help: '1 while the connection to the broker is open and set up.',
      labelNames: ['role'],
      registers: [],
      collect() {
        for (const [role, { connection }] of roles) this.set({ role }, connection === undefined ? 0 : 1)
      },
    }),
    new Counter({
      name: 'blockmill_broker_reconnects_total',
      help: 'How often the connection to the broker was open again after it had been lost.',
      labelNames: ['role'],
      registers: [],
      collect() {
        this.reset()
        for (const [role, { reconnects }] of roles) this.inc({ role }, reconnects)
      },
    }),
    new Gauge({
      name: 'blockmill_broker_blocked',
      help: '1 while the broker takes no messages, because it is short of memory or disk.',
      registers: [],
      collect() {
        this.set(connections.publish.isBlocked ? 1 : 0)
      },
    }),
    new Counter({
      name: 'blockmill_broker_published_total',
      help: 'Messages that the broker confirmed.',
      registers: [],
      collect() {
        this.reset()
        this.inc(publisher.confirmed)
      },
    }),
    new Counter({
      name: 'blockmill_broker_publish_failures_total',
      help: 'Messages that were not delivered: refused or returned by the broker, or unconfirmed at the stop.',
      registers: [],
      collect() {
        this.reset()
        this.inc(publisher.failed)
      },
    }),
    new Gauge({
      name: 'blockmill_broker_unconfirmed',
      help: 'Messages that are not confirmed yet, those waiting to be sent included.',
      registers: [],
      collect() {
        this.set(publisher.pending)
      },
    }),
  ]
  for (const metric of metrics) registry.registerMetric(metric)
}
