import { Counter, Gauge, Histogram } from 'prom-client'

import type { Metrics } from '../observability/metrics.ts'

/** What connections to chains count. Endpoints appear redacted: scheme, host and port. */
export interface ChainMetrics {
  /** 1 while the endpoint is connected, else 0. */
  readonly connected: Gauge<'endpoint'>
  /** Tries to connect that failed, by endpoint. */
  readonly connectFailures: Counter<'endpoint'>
  /**
   * Requests, by endpoint and outcome: `ok`, `error` (the node answered so), `rate_limited` (it answered that it is asked too
   * often), `unreachable` (no answer). One that is sent again counts again.
   */
  readonly requests: Counter<'endpoint' | 'outcome'>
  /** Seconds from when a request was sent to its answer, by endpoint and method. */
  readonly seconds: Histogram<'endpoint' | 'method'>
  /** Requests that an endpoint may have in flight, as learnt from how it takes them. */
  readonly concurrencyLimit: Gauge<'endpoint'>
  /** Requests that an endpoint has in flight. */
  readonly inFlight: Gauge<'endpoint'>
}

const LATENCY_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** The chain's metrics of a registry. A second connection of the process gets the same ones. */
export function createChainMetrics(registry: Metrics): ChainMetrics {
  const registers = [registry]
  return {
    connected: once(
      registry,
      'blockmill_chain_connected',
      (name) =>
        new Gauge({ name, help: '1 while the chain endpoint is connected.', labelNames: ['endpoint'], registers }),
    ),
    connectFailures: once(
      registry,
      'blockmill_chain_connect_failures_total',
      (name) =>
        new Counter({ name, help: 'Failed tries to connect to the chain.', labelNames: ['endpoint'], registers }),
    ),
    requests: once(
      registry,
      'blockmill_chain_requests_total',
      (name) => new Counter({ name, help: 'Requests to the chain.', labelNames: ['endpoint', 'outcome'], registers }),
    ),
    seconds: once(
      registry,
      'blockmill_chain_request_seconds',
      (name) =>
        new Histogram({
          name,
          help: 'Seconds from a request to the chain to its answer.',
          labelNames: ['endpoint', 'method'],
          buckets: LATENCY_BUCKETS,
          registers,
        }),
    ),
    concurrencyLimit: once(
      registry,
      'blockmill_chain_concurrency_limit',
      (name) =>
        new Gauge({
          name,
          help: 'Requests that the endpoint may have in flight.',
          labelNames: ['endpoint'],
          registers,
        }),
    ),
    inFlight: once(
      registry,
      'blockmill_chain_requests_in_flight',
      (name) =>
        new Gauge({ name, help: 'Requests that the endpoint has in flight.', labelNames: ['endpoint'], registers }),
    ),
  }
}

function once<M>(registry: Metrics, name: string, create: (name: string) => M): M {
  // The registry does not know the type of what it holds under a name; only this file uses these names.
  return (registry.getSingleMetric(name) as M | undefined) ?? create(name)
}
