import { collectDefaultMetrics, Registry } from 'prom-client'

/** The registry that a service's parts register their metrics with, and that `/metrics` serves. */
export type Metrics = Registry

/** A fresh registry with Node's own process metrics and a `service` label on everything. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  return registry
}
