import { randomBytes } from 'node:crypto'

import {
  createBroker,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  openDatabase,
} from '@blockmill/core'
import { createScheduler } from '@blockmill/scheduler'
import { createDatabase, createScriptedChain, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { startChild } from './child.ts'
import { measureFloor } from './floor.ts'
import { noop } from './noop-task.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { whenTrue } from './when-true.ts'

const CONCURRENCY = 100
const PREFETCH = 500
/** The bar as long as one task travels in one message. */
const BAR_PER_SECOND = 2_000
/** Of what bare amqplib does with batched events. */
const BAR_AGAINST_FLOOR = 0.5
/** Of these the one with the middle ratio counts: machines are shared. */
const ROUNDS = 3

/**
 * Tasks in a second, from the chain's head over scheduler, broker, worker and monitor to their record as succeeded, each
 * with one message of its own; and such messages with bare amqplib as it comes, doing nothing else. The floor that it is held
 * against gives the monitor a copy of each task, where the scheduler tells it of a hundred at once: so it is measured like that, too.
 *
 * Queues are quorum queues, messages persistent and confirmed, PostgreSQL durable.
 */
export async function benchTracked({ tasks }: { readonly tasks: number }): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  try {
    const toFloor = { brokerUrl: broker.url, tasks }
    const floor = await measureFloor({ ...toFloor, eventsPerMessage: 1 })
    const announced = await measureFloor({ ...toFloor, eventsPerMessage: 50, tasksPerAnnouncement: 100 })
    const rounds = []
    for (let round = 1; round <= ROUNDS; round += 1) {
      rounds.push(await measureRound({ brokerUrl: broker.url, postgresUrl: postgres.url, tasks }))
    }
    const { batched, addedPerSecond, trackedPerSecond, ratio } = middleOf(rounds)
    const unit = 'tasks/s'
    const setting = `${tasks} no-op tasks, one per message`
    return [
      { benchmark: 'floor', what: `bare amqplib, one event per message`, value: floor, unit },
      { benchmark: 'floor', what: `bare amqplib, 50 events per message`, value: batched, unit },
      {
        benchmark: 'floor',
        what: 'the same, with one message to the monitor for 100 tasks, not a copy of each',
        value: announced,
        unit,
      },
      { benchmark: 'tracked', what: `${setting}: scheduled and covered`, value: addedPerSecond, unit },
      {
        benchmark: 'tracked',
        what: `${setting}: recorded as succeeded`,
        value: trackedPerSecond,
        unit,
        bar: BAR_PER_SECOND,
      },
      {
        benchmark: 'tracked',
        what: 'recorded, against the floor with 50',
        value: ratio,
        unit: '×',
        bar: BAR_AGAINST_FLOOR,
      },
    ]
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

interface Round {
  /** Tasks in a second of bare amqplib, 50 events per message. */
  readonly batched: number
  readonly addedPerSecond: number
  readonly trackedPerSecond: number
  readonly ratio: number
}

async function measureRound({
  brokerUrl,
  postgresUrl,
  tasks,
}: {
  readonly brokerUrl: string
  readonly postgresUrl: string
  readonly tasks: number
}): Promise<Round> {
  const batched = await measureFloor({ brokerUrl, tasks, eventsPerMessage: 50 })
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const databaseUrl = await createDatabase(postgresUrl, name)
  const rates = await measureTracked({ brokerUrl, databaseUrl, tasks })
  await dropDatabase(postgresUrl, name)
  return { ...rates, batched, ratio: rates.trackedPerSecond / batched }
}

function middleOf(rounds: readonly Round[]): Round {
  const sorted = rounds.toSorted((a, b) => a.ratio - b.ratio)
  return sorted[Math.floor(sorted.length / 2)] as Round
}

export interface TrackedOptions {
  readonly brokerUrl: string
  readonly databaseUrl: string
  readonly tasks: number
  /** One that the database does not know yet. Default `bench`. */
  readonly chain?: string
  /** Where the chain begins. Default 1. */
  readonly firstBlock?: number
}

/** The rates of one run, from the chain's head; see `benchTracked`. */
export async function measureTracked({
  brokerUrl,
  databaseUrl,
  tasks,
  chain: chainId = 'bench',
  firstBlock = 1,
}: TrackedOptions) {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'scheduler', level: 'warn' })
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'scheduler' })
  const database = openDatabase({ url: databaseUrl, logger })
  const lastBlock = firstBlock + tasks - 1
  const chain = createScriptedChain({ head: firstBlock - 1 })
  const scheduler = createScheduler({
    config: { chain: chainId, start: firstBlock },
    logger,
    metrics: createMetrics('scheduler'),
    broker,
    database,
    chain,
    registry: createTaskRegistry([{ definition: noop, file: 'noop-task.ts' }]),
  })
  await scheduler.start()
  const service = { brokerUrl, databaseUrl, namespace, concurrency: CONCURRENCY, prefetch: PREFETCH }
  const monitor = await startChild('service-process.ts', { ...service, role: 'monitor' })
  const worker = await startChild('service-process.ts', { ...service, role: 'worker' })

  const start = performance.now()
  chain.advanceTo(lastBlock)
  const addedAt = await whenTrue(database, COVERED, [chainId, firstBlock, lastBlock])
  const recordedAt = await whenTrue(database, SUCCEEDED, [chainId, tasks])

  await Promise.all([worker.stop(), monitor.stop()])
  await scheduler.stop()
  await Promise.all([broker.stop(), database.close(), chain.close()])
  await removeTopology(brokerUrl, topology)
  const perSecond = (until: number) => (tasks * 1_000) / (until - start)
  return { addedPerSecond: perSecond(addedAt), trackedPerSecond: perSecond(recordedAt) }
}

const COVERED = `
  select evaluated @> int8range($2::bigint, $3::bigint, '[]') as done from blockmill.coverage where chain = $1 and task = 'noop'`
// From the totals, which cost the same however much is on record.
const SUCCEEDED = `
  select coalesce(sum(count), 0) = $2::bigint as done from blockmill.task_count where chain = $1 and status = 'succeeded'`
