import { randomBytes } from 'node:crypto'

import {
  createBroker,
  createCoordinator,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  openDatabase,
} from '@blockmill/core'
import { defineContractTransactions, fetchContractTransactions, getAllTransactions } from '@blockmill/example'
import { createScheduler } from '@blockmill/scheduler'
import {
  createDatabase,
  createScriptedChain,
  dropDatabase,
  type EtherscanFacade,
  startBroker,
  startEtherscanFacade,
  startPostgres,
  syntheticTransactions,
} from '@blockmill/testkit'
import { createWorker } from '@blockmill/worker'

import { startChild } from './child.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'

const ADDRESS = `0x${'c0de'.repeat(10)}`
const CHAIN_ID = 1
const BATCHES = 320
const CONCURRENCY = 8
const LATENCY_MS = 200
/** Rows of one answer of the API. One after the other, each request then reads as many blocks as a batch has. */
const ROW_CAP = 100
const BLOCKS_OF_BATCH = ROW_CAP - 1
const BAR = 6

/**
 * All transactions of a contract from an API that takes 200 ms for each answer: with a range job whose batches run eight at a time, from
 * the request until all rows are read, next to one request after the other in one process. Both make as many requests.
 */
export async function benchContractTransactions(): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const facade = await startEtherscanFacade({
    transactions: syntheticTransactions({
      address: ADDRESS,
      blocks: BATCHES * BLOCKS_OF_BATCH,
      perBlock: 1,
      chainId: CHAIN_ID,
    }),
    rowCap: ROW_CAP,
    latencyMs: LATENCY_MS,
  })
  try {
    const databaseUrl = await createDatabase(postgres.url, name)
    const distributedMs = await measureDistributed({ brokerUrl: broker.url, databaseUrl, facade })
    const distributedRequests = facade.requests.length
    const sequentialMs = await measureSequential(facade)
    await dropDatabase(postgres.url, name)
    const sequentialRequests = facade.requests.length - distributedRequests
    const benchmark = 'contract-transactions'
    const rows = (BATCHES * BLOCKS_OF_BATCH).toLocaleString('en')
    const seconds = (what: string, ms: number): Result => ({
      benchmark,
      what: `${rows} rows, ${what}`,
      value: ms / 1_000,
      unit: 's',
    })
    return [
      seconds(`${CONCURRENCY} batches at a time, ${distributedRequests} requests`, distributedMs),
      seconds(`one request after the other, ${sequentialRequests} requests`, sequentialMs),
      { benchmark, what: 'the second against the first', value: sequentialMs / distributedMs, unit: '×', bar: BAR },
    ]
  } finally {
    await Promise.all([broker.stop(), postgres.stop(), facade.stop()])
  }
}

const settingsFor = (facade: EtherscanFacade) => ({
  etherscanUrl: facade.url,
  etherscanKey: facade.apiKey,
  etherscanTimeoutMs: 30_000,
})
const request = {
  address: ADDRESS,
  chainId: CHAIN_ID,
  from: 0,
  to: BATCHES * BLOCKS_OF_BATCH - 1,
  batchSize: BLOCKS_OF_BATCH,
}

async function measureSequential(facade: EtherscanFacade): Promise<number> {
  const start = performance.now()
  await countRows(getAllTransactions({ ...request, settings: settingsFor(facade) }))
  return performance.now() - start
}

async function measureDistributed({
  brokerUrl,
  databaseUrl,
  facade,
}: {
  readonly brokerUrl: string
  readonly databaseUrl: string
  readonly facade: EtherscanFacade
}): Promise<number> {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const topology = createTopology({ namespace })
  const settings = settingsFor(facade)
  const task = defineContractTransactions({ loadSettings: async () => settings })
  const registry = createTaskRegistry([{ definition: task, file: 'contract-transactions.ts' }])
  const database = openDatabase({ url: databaseUrl, logger: createLogger({ service: 'bench', level: 'warn' }) })
  const chain = createScriptedChain({ head: 1 })
  const parts = (service: string) => {
    const logger = createLogger({ service, level: 'warn' })
    const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: service })
    return { logger, broker, metrics: createMetrics(service), registry }
  }
  const ofScheduler = parts('scheduler')
  const ofWorker = parts('worker')
  const scheduler = createScheduler({ config: { chain: 'bench' }, ...ofScheduler, database, chain })
  const worker = createWorker({ config: { concurrency: CONCURRENCY, prefetch: 2 * CONCURRENCY }, ...ofWorker })
  await scheduler.start()
  const monitor = await startChild('service-process.ts', { role: 'monitor', brokerUrl, databaseUrl, namespace })
  await ofWorker.broker.start()
  await worker.start()

  const start = performance.now()
  const coordinator = createCoordinator({ database, chain: 'bench', pollMs: 100 })
  const job = await fetchContractTransactions({ ...request, coordinator, task, settings })
  await job.wait()
  await countRows(job.results())
  const ms = performance.now() - start

  await worker.stop()
  await Promise.all([monitor.stop(), scheduler.stop()])
  await Promise.all([ofWorker.broker.stop(), ofScheduler.broker.stop(), database.close(), chain.close()])
  await removeTopology(brokerUrl, topology)
  return ms
}

async function countRows(rows: AsyncIterable<unknown>): Promise<void> {
  let count = 0
  for await (const _row of rows) count += 1
  const expected = BATCHES * BLOCKS_OF_BATCH
  if (count !== expected) throw new Error(`${count} rows came in place of ${expected}.`)
}
