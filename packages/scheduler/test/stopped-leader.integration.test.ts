import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { createSilentLogger, createTopology, type Database, setSize, taskMessageCodec } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { createCoverageStore } from '../src/coverage/coverage-store.ts'
import { createSql } from '../src/sql.ts'
import { PACED_CHAIN, type PacedSettings } from './fixtures/paced-settings.ts'
import { migratedDatabase, open } from './migrated-database.ts'
import { brokerClient } from './running-scheduler.ts'

/** What is promised to users. */
const TAKE_OVER_WITHIN_MS = 10_000

const amqp = testBroker()
const postgres = migratedDatabase()

interface SchedulerProcess {
  readonly child: ChildProcess
  /** What it said last. */
  readonly state: () => unknown
  readonly signal: (signal: NodeJS.Signals) => void
}

function startProcess(): SchedulerProcess {
  const settings: PacedSettings = { brokerUrl: amqp.url, databaseUrl: postgres.url, namespace: amqp.namespace }
  const file = fileURLToPath(new URL('fixtures/paced-scheduler.ts', import.meta.url))
  const child = fork(file, [JSON.stringify(settings)])
  let state: unknown
  child.on('message', (said) => {
    state = said
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return { child, state: () => state, signal: (signal) => void child.kill(signal) }
}

const leads = ({ state }: SchedulerProcess, timeoutMs = 60_000) =>
  waitFor(() => state() === 'leading', { describe: 'a scheduler to lead', timeoutMs })

const standsBy = ({ state }: SchedulerProcess) =>
  waitFor(() => state() === 'standing by', { describe: 'a scheduler to stand by', timeoutMs: 60_000 })

async function token(database: Database): Promise<number | undefined> {
  const [lease] = await database.query<{ token: number }>(
    'select token from blockmill.scheduler_lease where chain = $1',
    [PACED_CHAIN],
  )
  return lease?.token
}

it('hands over within ten seconds from a leader that is stopped or killed, and every block is evaluated once', async () => {
  const database = open(postgres.url)
  const observer = brokerClient(amqp.url, amqp.namespace, createSilentLogger(), 'observer')
  onTestFinished(async () => {
    await observer.stop()
    await database.close()
  })
  const idsByBlock = new Map<string, Set<string>>()
  await observer.start()
  await observer.consume({
    queue: createTopology({ namespace: amqp.namespace }).monitorQueue,
    prefetch: 1_000,
    onDelivery(delivery) {
      const { task, items } = taskMessageCodec.decode(delivery.body)
      for (const { id, block } of items) {
        const unit = `${task} ${block?.number}`
        idsByBlock.set(unit, (idsByBlock.get(unit) ?? new Set()).add(id))
      }
      delivery.ack()
    },
  })
  const coverage = () => createCoverageStore({ sql: createSql(database), chain: PACED_CHAIN }).load()
  const height = async () => Math.min(...(await coverage()).map(({ evaluated }) => evaluated.at(-1)?.to ?? 0))
  const goesOn = async () => {
    const before = await height()
    await waitFor(async () => (await height()) > before, { describe: 'coverage to grow' })
  }

  const first = startProcess()
  await leads(first)
  await waitFor(async () => (await coverage()).length === 2, { describe: 'both tasks on record' })
  await goesOn()
  const second = startProcess()
  await standsBy(second)

  first.signal('SIGSTOP')
  await leads(second, TAKE_OVER_WITHIN_MS)
  expect(await token(database)).toBe(2)
  await goesOn()
  first.signal('SIGCONT')
  await standsBy(first)
  expect(second.state()).toBe('leading')
  expect(await token(database)).toBe(2)
  await goesOn()

  second.signal('SIGKILL')
  await leads(first, TAKE_OVER_WITHIN_MS)
  expect(await token(database)).toBe(3)
  await goesOn()

  const evaluated = await coverage()
  expect(evaluated.map(({ task }) => task).sort()).toEqual(['final', 'newest'])
  for (const { task, startBlock, evaluated: ranges } of evaluated) {
    const [range] = ranges
    expect(ranges).toEqual([{ from: startBlock, to: range?.to }])
    for (let block = startBlock; block <= (range?.to ?? 0); block += 1) {
      await waitFor(() => idsByBlock.has(`${task} ${block}`), { describe: `${task} to be scheduled for ${block}` })
      expect(idsByBlock.get(`${task} ${block}`)?.size, `${task} ${block}`).toBe(1)
    }
    expect(setSize(ranges)).toBeGreaterThan(10)
  }
}, 300_000)
