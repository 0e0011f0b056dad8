import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import {
  createBroker,
  createCoordinator,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  EXPORT_FORMATS,
  type ExportFormat,
  openDatabase,
  type RangeJobHandle,
} from '@blockmill/core'
import { createScheduler } from '@blockmill/scheduler'
import { createDatabase, createScriptedChain, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { type Child, startChild } from './child.ts'
import { emitRows } from './emit-rows-task.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import type { ExporterSettings } from './results-exporter.ts'
import type { ReaderSettings } from './results-reader.ts'

const ROWS = 1_000_000
const ROWS_OF_BATCH = 50_000
const CONCURRENCY = 10
const BAR_MB = 300
const BAR_ROWS_PER_SECOND = 100_000
const BYTES_PER_MB = 1_000_000

/**
 * A range job of a million rows with the size of transactions, from the request until all of them are stored, and then read back in
 * order: how long both take, and the most memory that worker, monitor, reader and exports, each a process of its own, ever held.
 */
export async function benchResults(): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  try {
    const databaseUrl = await createDatabase(postgres.url, name)
    const results = await measure({ brokerUrl: broker.url, databaseUrl })
    await dropDatabase(postgres.url, name)
    return results
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

async function measure({ brokerUrl, databaseUrl }: { readonly brokerUrl: string; readonly databaseUrl: string }) {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'scheduler', level: 'warn' })
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'scheduler' })
  const database = openDatabase({ url: databaseUrl, logger })
  const chain = createScriptedChain({ head: ROWS })
  const registry = createTaskRegistry([{ definition: emitRows, file: 'emit-rows-task.ts' }])
  const metrics = createMetrics('scheduler')
  const scheduler = createScheduler({ config: { chain: 'bench' }, logger, metrics, broker, database, chain, registry })
  await scheduler.start()
  const service = { brokerUrl, databaseUrl, namespace, concurrency: CONCURRENCY, prefetch: CONCURRENCY }
  const monitor = await startChild('service-process.ts', { ...service, role: 'monitor' })
  const worker = await startChild('service-process.ts', { ...service, role: 'worker' })

  const start = performance.now()
  const coordinator = createCoordinator({ database, chain: 'bench', pollMs: 50 })
  const job = await coordinator.run(emitRows, { from: 0, to: ROWS - 1, batchSize: ROWS_OF_BATCH })
  await job.wait()
  const collectedMs = performance.now() - start
  const [workerMb, monitorMb] = await Promise.all([peakMb(worker), peakMb(monitor)])
  const { readMs, readerMb } = await readAll(databaseUrl, job)
  const exported: { readonly format: ExportFormat; readonly mb: number }[] = []
  for (const format of EXPORT_FORMATS)
    exported.push({ format, mb: await exportAll({ databaseUrl, job: job.id, format }) })

  await Promise.all([worker.stop(), monitor.stop()])
  await scheduler.stop()
  await Promise.all([broker.stop(), database.close(), chain.close()])
  await removeTopology(brokerUrl, topology)

  const benchmark = 'results'
  const rows = ROWS.toLocaleString('en')
  const memory = (what: string, value: number): Result => ({
    benchmark,
    what: `most memory of the ${what}`,
    value,
    unit: 'MB',
    bar: BAR_MB,
    barIs: 'atMost',
  })
  return [
    { benchmark, what: `${rows} rows, from the request until all are stored`, value: collectedMs / 1_000, unit: 's' },
    memory('worker', workerMb),
    memory('monitor', monitorMb),
    memory('reader', readerMb),
    ...exported.map(({ format, mb }) => memory(`export as ${format}`, mb)),
    {
      benchmark,
      what: `${rows} rows, read in the order of blocks`,
      value: (ROWS * 1_000) / readMs,
      unit: 'rows/s',
      bar: BAR_ROWS_PER_SECOND,
    },
  ] satisfies Result[]
}

async function readAll(databaseUrl: string, { id: job }: RangeJobHandle) {
  const settings: ReaderSettings = { databaseUrl, job, rows: ROWS }
  const reader = await startChild('results-reader.ts', settings)
  const start = performance.now()
  await reader.message('read')
  const readMs = performance.now() - start
  const readerMb = await peakMb(reader)
  await reader.stop()
  return { readMs, readerMb }
}

/** @returns the most memory that it took, in megabytes. */
async function exportAll(settings: ExporterSettings): Promise<number> {
  const exporter = await startChild('results-exporter.ts', settings)
  await exporter.message('exported')
  const mb = await peakMb(exporter)
  await exporter.stop()
  return mb
}

/** The most resident memory that a process ever had, as Linux counts it. */
async function peakMb({ pid }: Child): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? []
  return (Number(kilobytes) * 1_024) / BYTES_PER_MB
}
