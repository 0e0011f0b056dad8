import { fileURLToPath } from 'node:url'

import { createCoordinator, createSilentLogger, openDatabase } from '@blockmill/core'
import { startAnvil, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { numberBlocks } from './numbered-tasks/tasks.ts'
import { seededRandom } from './src/seeded-random.ts'
import { type ServiceProcess, startService } from './src/service-process.ts'

const broker = testBroker()
const database = testDatabase()
const TASKS = fileURLToPath(new URL('numbered-tasks', import.meta.url))
const CHAIN = 'anvil'

const SEED = 20_261_122
const KILLS = 5
const BATCHES = 5_000
const BLOCKS = BATCHES * numberBlocks.batchSize

it('loses and doubles no row of 5,000 batches when scheduler and workers are killed at five random points', async () => {
  const chain = await startAnvil()
  onTestFinished(() => chain.stop())
  const environment = {
    RABBITMQ_URL: broker.url,
    DATABASE_URL: database.url,
    BLOCKMILL_NAMESPACE: broker.namespace,
    BLOCKMILL_CHAIN_KIND: 'evm',
    BLOCKMILL_CHAIN: CHAIN,
    BLOCKMILL_TASKS: TASKS,
    CHAIN_URL: chain.url,
    // Five times the next scheduler waits until the lease of the one that was killed has run out.
    BLOCKMILL_LEASE_TTL: '2s',
    LOG_LEVEL: 'fatal',
  }
  const start = async (...args: string[]): Promise<ServiceProcess> => {
    const service = await startService(args, environment)
    onTestFinished(async () => void (await service.stop()))
    return service
  }
  const startAll = () =>
    Promise.all([
      start('scheduler'),
      ...['a', 'b'].map((name) => start('worker', '--name', name, '--concurrency', '8')),
    ])
  await start('monitor')
  let services = await startAll()

  const record = openDatabase({ url: database.url, logger: createSilentLogger() })
  onTestFinished(() => record.close())
  const job = await createCoordinator({ database: record, chain: CHAIN }).run(numberBlocks, { from: 0, to: BLOCKS - 1 })

  const random = seededRandom(SEED)
  const points = Array.from({ length: KILLS }, () => random.integer(1, 900)).sort((a, b) => a - b)
  for (const point of points) {
    const reached = (point / 1_000) * BLOCKS
    await waitFor(async () => (await job.status()).done >= reached, {
      describe: `${reached} blocks to be done (seed ${SEED})`,
      timeoutMs: 300_000,
      intervalMs: 50,
    })
    await Promise.all(services.map((service) => service.kill()))
    services = await startAll()
  }

  const { state, missing, rows, batches } = await job.wait({ signal: AbortSignal.timeout(300_000) })
  expect({ state, missing: missing.ranges, rows }).toEqual({ state: 'completed', missing: [], rows: 2 * BLOCKS })
  expect(batches.succeeded).toBe(BATCHES)
  let expected = 0
  for await (const row of job.results()) {
    if (row['block'] !== Math.floor(expected / 2) || row['row'] !== (expected % 2) + 1) {
      expect(row, `row ${expected}`).toEqual({ block: Math.floor(expected / 2), row: (expected % 2) + 1 })
    }
    expected += 1
  }
  expect(expected).toBe(2 * BLOCKS)
})
