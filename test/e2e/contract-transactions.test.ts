import { fileURLToPath } from 'node:url'

import { createCoordinator, createSilentLogger, openDatabase } from '@blockmill/core'
import { type ContractTransactionsJob, fetchContractTransactions, type ProviderName } from '@blockmill/example'
import {
  chainTransactions,
  loadContract,
  readTrueTransactions,
  startAnvil,
  startEtherscanFacade,
  waitFor,
} from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { type ServiceProcess, startService } from './src/service-process.ts'

const broker = testBroker()
const database = testDatabase()
const TASKS = fileURLToPath(new URL('range-tasks', import.meta.url))
const CHAIN = 'anvil'

it('collects exactly the transactions that the chain has, from both providers, while a worker and the monitor are killed', async () => {
  const chain = await startAnvil()
  onTestFinished(() => chain.stop())
  const chainId = Number(await chain.request('eth_chainId'))
  const { address, to } = await loadContract(chain, { transactions: 1_500, perBlock: 15, crowdedBlock: 350 })
  const facade = await startEtherscanFacade({
    transactions: chainTransactions(chain.url, chainId),
    rowCap: 100,
    // So long that its job is still under way when the other's first batches are done.
    latencyMs: 2_000,
  })
  onTestFinished(() => facade.stop())

  const environment = {
    RABBITMQ_URL: broker.url,
    DATABASE_URL: database.url,
    BLOCKMILL_NAMESPACE: broker.namespace,
    BLOCKMILL_SMALLEST_DELAY: '50ms',
    BLOCKMILL_CHAIN_KIND: 'evm',
    BLOCKMILL_CHAIN: CHAIN,
    BLOCKMILL_TASKS: TASKS,
    CHAIN_URL: chain.url,
    ETHERSCAN_API_URL: facade.url,
    ETHERSCAN_API_KEY: facade.apiKey,
    LOG_LEVEL: 'warn',
  }
  const start = async (...args: string[]): Promise<ServiceProcess> => {
    const service = await startService(args, environment)
    onTestFinished(async () => void (await service.stop()))
    return service
  }
  const startWorker = (name: string) => start('worker', '--name', name, '--concurrency', '4')
  const monitor = await start('monitor')
  const [, doomed] = await Promise.all([start('scheduler'), startWorker('doomed'), startWorker('survivor')])

  const record = openDatabase({ url: database.url, logger: createSilentLogger() })
  onTestFinished(() => record.close())
  const coordinator = createCoordinator({ database: record, chain: CHAIN, pollMs: 200 })
  const settings = {
    etherscanUrl: facade.url,
    etherscanKey: facade.apiKey,
    etherscanTimeoutMs: 30_000,
    rpcUrls: new Map([[chainId, [chain.url]]]),
  }
  const startJob = (provider: ProviderName, batchSize: number): Promise<ContractTransactionsJob> =>
    fetchContractTransactions({ coordinator, address, chainId, from: 0, to, provider, batchSize, settings })
  const jobs = await Promise.all([startJob('etherscan', 20), startJob('rpc', 4)])

  const [etherscan] = jobs
  const isUnderWay = async (): Promise<boolean> => {
    const ofDoomed = await record.query("select 1 from blockmill.task where worker = 'doomed' and status = 'succeeded'")
    const { done, total } = await etherscan.status()
    return ofDoomed.length > 0 && done < total
  }
  await waitFor(isUnderWay, {
    describe: 'the worker and the monitor that are to die to be in the middle of the job',
    timeoutMs: 300_000,
  })
  // Rows that it has not stored are in the queue, those that it has not acknowledged come again.
  await Promise.all([doomed.kill(), monitor.kill()])
  facade.limits.latencyMs = 100
  await Promise.all([startWorker('successor'), start('monitor')])

  const truth = await readTrueTransactions(chain.url, address, to)
  expect(truth).toHaveLength(1_501)
  for (const job of jobs) {
    const { state, missing, rows } = await job.wait()
    expect({ state, missing: missing.ranges, rows }).toEqual({ state: 'completed', missing: [], rows: truth.length })
    const collected: unknown[] = []
    for await (const row of job.results()) collected.push(row)
    expect(collected).toEqual(truth)
  }
  expect((await etherscan.status()).batches.split, 'a batch over the cap was split').toBeGreaterThan(0)
})
