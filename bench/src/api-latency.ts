import { createBroker, createLogger, createMetrics, createTopology, type Database } from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { randomBytes } from 'node:crypto'

import { apiQuestions } from './api-questions.ts'
import { quantile } from './quantile.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'

const WARM_UPS = 3
const BAR_MS = 100
/** For one question: what needs longer misses its bar in any case. */
const MOST_MS = 5_000

/**
 * How long each question to the REST API takes, over HTTP, of a monitor in this process. Each is asked as often as `turns` says, one
 * after the other.
 */
export async function measureApi({
  brokerUrl,
  database,
  turns,
  what,
}: {
  readonly brokerUrl: string
  readonly database: Database
  readonly turns: number
  /** What is on record, for the table. */
  readonly what: string
}): Promise<Result[]> {
  const logger = createLogger({ service: 'monitor', level: 'warn' })
  const topology = createTopology({ namespace: `bench-${randomBytes(4).toString('hex')}` })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'bench' })
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0 },
    logger,
    metrics: createMetrics('monitor'),
    broker,
    database,
  })
  const url = await monitor.start()
  try {
    const results: Result[] = []
    for (const [question, path] of Object.entries(await apiQuestions(database))) {
      const times: number[] = []
      const begun = performance.now()
      for (let turn = 0; turn < WARM_UPS + turns && performance.now() - begun < MOST_MS; turn += 1) {
        const elapsedMs = await timeOf(`${url}/api/v1${path(turn)}`)
        if (turn >= WARM_UPS) times.push(elapsedMs)
      }
      times.sort((a, b) => a - b)
      const named = { benchmark: 'history', unit: 'ms' }
      results.push(
        { ...named, what: `${what}, ${question}: p50`, value: quantile(times, 0.5) },
        { ...named, what: `${what}, ${question}: p99`, value: quantile(times, 0.99), bar: BAR_MS, barIs: 'atMost' },
      )
    }
    return results
  } finally {
    await monitor.stop()
    await broker.stop()
    await removeTopology(brokerUrl, topology)
  }
}

async function timeOf(url: string): Promise<number> {
  const start = performance.now()
  const response = await fetch(url)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`)
  return performance.now() - start
}
