import {
  connectChain,
  createBroker,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  type Metrics,
  openDatabase,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createScheduler } from '@blockmill/scheduler'
import { createScriptedChain } from '@blockmill/testkit'
import { createWorker } from '@blockmill/worker'
import { describe, expect, it, onTestFinished } from 'vitest'

import {
  type DescribedMetric,
  documentedMetrics,
  metricsPage,
  metricsPageSections,
} from '../test/documented-metrics.ts'
import { readPromql } from '../test/promql.ts'

const logger = createSilentLogger()

/** What is registered beside Node's own metrics. */
async function registered(metrics: Metrics): Promise<DescribedMetric[]> {
  const described = (await metrics.getMetricsAsJSON()).map(({ name, type }) => {
    const metric: object | undefined = metrics.getSingleMetric(name)
    const labels = metric !== undefined && 'labelNames' in metric ? (metric.labelNames as readonly string[]) : []
    return { name, type: String(type), labels: labels.toSorted() }
  })
  return described.filter(({ name }) => !/^(process|nodejs)_/.test(name))
}

const byName = (all: readonly DescribedMetric[]): readonly DescribedMetric[] =>
  all.toSorted((a, b) => a.name.localeCompare(b.name))

/** Parts as the services make them, none of them started. */
function parts(service: string) {
  const metrics = createMetrics(service)
  const address = { url: 'amqp://127.0.0.1:1', topology: createTopology(), connectionName: service }
  const database = openDatabase({ url: 'postgresql://me@127.0.0.1:1/none', logger })
  onTestFinished(() => database.close())
  return { logger, metrics, broker: createBroker({ ...address, logger, metrics }), database }
}

function connect(metrics: Metrics): void {
  connectChain({ kind: 'substrate', endpoints: ['ws://127.0.0.1:1'], archiveEndpoints: [], logger, metrics })
}

const registry = createTaskRegistry([])
const services: Record<string, () => Metrics> = {
  Scheduler() {
    const { metrics, ...ports } = parts('scheduler')
    connect(metrics)
    createScheduler({ ...ports, config: { chain: 'dev' }, metrics, chain: createScriptedChain({ head: 1 }), registry })
    return metrics
  },
  Worker() {
    const { metrics, ...ports } = parts('worker')
    connect(metrics)
    createWorker({ ...ports, metrics, registry })
    return metrics
  },
  Monitor() {
    const { metrics, ...ports } = parts('monitor')
    createMonitor({ ...ports, config: { host: '127.0.0.1', port: 0 }, metrics })
    return metrics
  },
}

describe('docs/metrics.md', () => {
  it.each(Object.keys(services))(
    'has every metric of the %s with its type and labels, and no other',
    async (service) => {
      const shared = service === 'Monitor' ? ['All services'] : ['All services', 'Scheduler and worker']
      const metrics = services[service]?.() ?? createMetrics(service)
      expect(byName(documentedMetrics(...shared, service))).toEqual(byName(await registered(metrics)))
    },
  )

  it('has each metric once', () => {
    const names = [...metricsPage.matchAll(/^\| `(blockmill_\w+)` /gm)].map(([, name]) => name)
    expect(names).toEqual([...new Set(names)])
    expect(names).toHaveLength(documentedMetrics().length)
  })

  it('asks only for metrics and labels that there are in its queries', () => {
    const known = documentedMetrics()
    const queries = [...(metricsPageSections.get('Good to have on a dashboard') ?? '').matchAll(/\| `(.+)` +\|$/gm)]
    expect(queries.length).toBeGreaterThan(5)
    for (const [, query = ''] of queries) {
      for (const { metric, labels } of readPromql(query).selectors) {
        const found = known.find((one) => one.name === metric || bucketsOf(one) === metric)
        expect(found, query).toBeDefined()
        const given = ['service', 'instance', ...(found?.labels ?? []), ...(found?.name === metric ? [] : ['le'])]
        expect(given, query).toEqual(expect.arrayContaining([...labels]))
      }
    }
  })
})

function bucketsOf({ name, type }: DescribedMetric): string | undefined {
  return type === 'histogram' ? `${name}_bucket` : undefined
}
