import { readFileSync } from 'node:fs'

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

/** A metric as the page or the code has it. */
interface Described {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
}

const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
const sections = new Map(page.split(/^## /m).map((text) => [text.slice(0, text.indexOf('\n')), text]))
const logger = createSilentLogger()

function documented(...titles: readonly string[]): Described[] {
  return titles.flatMap((title) => {
    const rows = (sections.get(title) ?? '').matchAll(/^\| `(blockmill_\w+)` +\| (\w+) +\| (.*?) *\|/gm)
    return [...rows].map(([, name = '', type = '', labels = '']) => ({
      name,
      type,
      labels: [...labels.matchAll(/\w+/g)].map(([label]) => label).toSorted(),
    }))
  })
}

/** What is registered beside Node's own metrics. */
async function registered(metrics: Metrics): Promise<Described[]> {
  const described = (await metrics.getMetricsAsJSON()).map(({ name, type }) => {
    const metric: object | undefined = metrics.getSingleMetric(name)
    const labels = metric !== undefined && 'labelNames' in metric ? (metric.labelNames as readonly string[]) : []
    return { name, type: String(type), labels: labels.toSorted() }
  })
  return described.filter(({ name }) => !/^(process|nodejs)_/.test(name))
}

const byName = (all: readonly Described[]): readonly Described[] => all.toSorted((a, b) => a.name.localeCompare(b.name))

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
      expect(byName(documented(...shared, service))).toEqual(byName(await registered(metrics)))
    },
  )

  it('has each metric once', () => {
    const names = [...page.matchAll(/^\| `(blockmill_\w+)` /gm)].map(([, name]) => name)
    expect(names).toEqual([...new Set(names)])
    expect(names).toHaveLength(documented(...sections.keys()).length)
  })

  it('asks only for metrics and labels that there are in its alerts and queries', () => {
    const known = documented(...sections.keys())
    const queries = `${sections.get('Alerts')}${sections.get('Good to have on a dashboard')}`
    const used = [...queries.matchAll(/(blockmill_\w+)(?:\{([^}]*)\})?/g)]
    expect(used.length).toBeGreaterThan(10)
    for (const [text, name = '', matchers = ''] of used) {
      const metric = known.find((one) => one.name === name || bucketsOf(one) === name)
      expect(metric, text).toBeDefined()
      expect(metric?.labels, text).toEqual(
        expect.arrayContaining([...matchers.matchAll(/(\w+)=/g)].map(([, of]) => of)),
      )
    }
    const aggregated = [...queries.matchAll(/by \(([^)]+)\)\s*\((?:\w+\()*(blockmill_\w+)/g)]
    expect(aggregated.length).toBeGreaterThan(5)
    for (const [text, labels = '', name = ''] of aggregated) {
      const metric = known.find((one) => one.name === name || bucketsOf(one) === name)
      const given = ['service', 'instance', ...(metric?.labels ?? []), ...(metric?.name === name ? [] : ['le'])]
      expect(given, text).toEqual(expect.arrayContaining(labels.split(', ')))
    }
  })

  it.each([
    ['a worker that is offline', 'blockmill_workers'],
    ['failures', 'blockmill_tasks_failed_total'],
    ['a lag behind the head', 'blockmill_scheduler_lag_blocks'],
    ['gaps', 'blockmill_gap_blocks'],
    ['dead letters', 'blockmill_dead_letters'],
    ['a task that waits', 'blockmill_oldest_waiting_seconds'],
    ['a broker that blocks', 'blockmill_broker_blocked'],
  ])('has an alert for %s', (_, name) => {
    expect(sections.get('Alerts')).toContain(name)
  })
})

function bucketsOf({ name, type }: Described): string | undefined {
  return type === 'histogram' ? `${name}_bucket` : undefined
}
