import {
  type AnyRangeTaskDefinition,
  type Broker,
  createRangeJob,
  createRangeJobs,
  createSilentLogger,
  createTopology,
  type Database,
  defineRangeTask,
  type RangeJobRequest,
  type RangeJobs,
  type RangeJobState,
} from '@blockmill/core'
import { createScriptedChain, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'

import type { SchedulerConfig } from '../src/scheduler.ts'
import { migratedDatabase, open } from './migrated-database.ts'
import { brokerClient, createRunningScheduler } from './running-scheduler.ts'
import { startScriptedWorker } from './scripted-worker.ts'

/** Range jobs on a real broker and a real record, with scripted workers. Each test has a chain and a queue of its own. */
export function rangeRig() {
  const amqp = testBroker()
  const postgres = migratedDatabase()
  const topology = createTopology({ namespace: amqp.namespace })
  let database: Database
  let broker: Broker
  let jobs: RangeJobs
  beforeAll(async () => {
    database = open(postgres.url)
    jobs = createRangeJobs(database)
    broker = brokerClient(amqp.url, amqp.namespace, createSilentLogger(), 'worker')
    await broker.start()
  })
  afterAll(async () => {
    await broker.stop()
    await database.close()
  })

  let names = 0
  let queue = ''
  beforeEach(async () => {
    names += 1
    queue = `queue-${names}`
    await broker.declare(topology.work(queue))
  })
  const chainName = () => `chain-${names}`
  const lane = () => topology.workQueue(queue, 'low')

  /** A scheduler that knows the range task `fetch`, which asks for nothing of the chain. */
  async function startScheduler({
    definition = defineRangeTask({ name: 'fetch', queue, run: () => null }),
    head = 100,
    config = {},
  }: { definition?: AnyRangeTaskDefinition; head?: number; config?: Partial<SchedulerConfig> } = {}) {
    const chain = createScriptedChain({ head })
    const running = createRunningScheduler({
      tasks: [definition],
      chain,
      chainName: chainName(),
      brokerUrl: amqp.url,
      namespace: amqp.namespace,
      databaseUrl: postgres.url,
      config,
    })
    await running.scheduler.start()
    return { ...running, chain }
  }

  async function startWorker(script: Parameters<typeof startScriptedWorker>[0]['script'], prefetch = 50) {
    const worker = await startScriptedWorker({ broker, database, lane: lane(), prefetch, script })
    onTestFinished(() => worker.close())
    return worker
  }

  async function create(request: Pick<RangeJobRequest, 'from' | 'to'> & Partial<RangeJobRequest>): Promise<string> {
    const job = createRangeJob({ chain: chainName(), task: 'fetch', createdBy: 'test', ...request }, new Date())
    await jobs.create(job)
    return job.id
  }

  const inState = (id: string, state: RangeJobState, timeoutMs = 60_000) =>
    waitFor(
      async () => {
        const job = await jobs.detail(id)
        return job.state === state && job
      },
      { describe: `job to be ${state}`, timeoutMs },
    )

  return {
    amqp,
    postgres,
    topology,
    database: () => database,
    broker: () => broker,
    jobs: () => jobs,
    chainName,
    queue: () => queue,
    lane,
    depth: async () => (await broker.depth(lane()))?.messages ?? 0,
    startScheduler,
    startWorker,
    create,
    inState,
  }
}
