import { createRangeJob, rangeSize, splitRange } from '@blockmill/core'
import { expect, it, onTestFinished } from 'vitest'

import { endOf, startDoomedScheduler } from './doomed-process.ts'
import { DOOMED_CHAIN, type DoomedSettings, RANGED } from './fixtures/doomed-settings.ts'
import { rangeRig } from './range-rig.ts'
import { startScriptedWorker } from './scripted-worker.ts'

const rig = rangeRig()

/** Around the publish of a message in the middle of a step, and around the writes: batches planned, queued, ended. */
const DEATHS = [
  { point: 'written', after: 1 },
  { point: 'published', after: 10 },
  { point: 'writing', after: 1 },
  { point: 'confirmed', after: 10 },
  { point: 'announced', after: 1 },
  { point: 'written', after: 2 },
  { point: 'writing', after: 3 },
  { point: 'written', after: 3 },
] as const

it('runs every batch of a range job to its end, under one id, wherever schedulers are killed', async () => {
  const start = (settings: Partial<DoomedSettings>) =>
    startDoomedScheduler({
      ...settings,
      during: 'range',
      brokerUrl: rig.amqp.url,
      databaseUrl: rig.postgres.url,
      namespace: rig.amqp.namespace,
    })
  const broken = 1_234
  await rig.broker().declare(rig.topology.work(RANGED))
  const worker = await startScriptedWorker({
    broker: rig.broker(),
    database: rig.database(),
    lane: rig.topology.workQueue(RANGED, 'low'),
    prefetch: 4,
    script: ({ from, to }) => (from <= broken && broken <= to ? { type: 'fail' } : { type: 'succeed', rows: 1 }),
  })
  onTestFinished(() => worker.close())
  const asked = { from: 0, to: 1_999, batchSize: 10 }
  const job = createRangeJob({ chain: DOOMED_CHAIN, task: RANGED, ...asked, window: 20, createdBy: 'test' }, new Date())
  await rig.jobs().create(job)

  for (const death of DEATHS) {
    expect({ ...death, end: await endOf(start(death)) }).toEqual({ ...death, end: 'SIGKILL' })
  }
  start({})
  const { done, missing, rows } = await rig.inState(job.id, 'completed_with_failures')
  expect({ done, missing: missing.ranges }).toEqual({ done: 1_999, missing: [{ from: broken, to: broken }] })

  const succeeded = await rig.jobs().batches(job.id, { states: ['succeeded'], limit: 1_000 })
  expect(rows).toBe(succeeded.length)
  expect(succeeded.reduce((sum, batch) => sum + rangeSize(batch), 0)).toBe(1_999)
  const idsByRange = new Map<string, Set<string>>()
  for (const { items } of worker.messages) {
    for (const { id, range } of items) {
      const key = `${range?.from}–${range?.to}`
      idsByRange.set(key, (idsByRange.get(key) ?? new Set()).add(id))
    }
  }
  expect([...idsByRange].filter(([, ids]) => ids.size !== 1)).toEqual([])
  for (const { from, to } of splitRange(asked.from, asked.to, asked.batchSize)) {
    expect(idsByRange.has(`${from}–${to}`)).toBe(true)
  }
}, 300_000)
