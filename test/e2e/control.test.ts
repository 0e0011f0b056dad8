import { type Control, createControl, createSilentLogger, taskId, type TaskMessage } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

import type { ServiceProcess } from './src/service-process.ts'
import { startWorkSystem, WORK_CHAIN, type WorkSystem } from './src/work-system.ts'

const broker = testBroker()
const database = testDatabase()

const TASK = 'outlive'
let system: WorkSystem
let control: Control

beforeAll(async () => {
  system = await startWorkSystem(broker, database)
  control = createControl({ broker: system.broker, logger: createSilentLogger(), waitMs: 500 })
})
afterAll(() => system.stop())

async function startWorker(name: string, queue: string): Promise<ServiceProcess> {
  const worker = await system.startWorker({ name, queue, tasks: 'control-tasks', concurrency: 1 })
  onTestFinished(() => worker.kill())
  return worker
}

/** Publishes the task of a block, and returns its id. */
async function publish(queue: string, number: number): Promise<string> {
  const id = taskId({ chain: WORK_CHAIN, task: TASK, args: {}, block: { number } })
  const message: TaskMessage = {
    v: 1,
    chain: WORK_CHAIN,
    task: TASK,
    queue,
    lane: 'normal',
    priority: 10,
    attempt: 1,
    postpones: 0,
    maxAttempts: 3,
    scheduledAt: new Date().toISOString(),
    cause: 'live',
    items: [{ id, block: { number }, args: {} }],
  }
  await system.publish(message)
  return id
}

interface RecordedTask {
  readonly status: string
  readonly worker: string | null
  readonly reason: string | null
  readonly attempts: readonly { readonly outcome: string; readonly worker: string | null }[]
}

/** The task as the API shows it, once it has this status. */
function recorded(id: string, status: string, worker?: string): Promise<RecordedTask> {
  return waitFor(
    async () => {
      const answer = await fetch(new URL(`/api/v1/tasks/${id}`, system.monitor.url))
      const task = (await answer.json()) as RecordedTask
      return task.status === status && (worker === undefined || task.worker === worker) && task
    },
    { describe: `${id} to be ${status}`, timeoutMs: 60_000 },
  )
}

it('shows every attempt that was lost with a killed worker, and one success', async () => {
  const queue = 'lost'
  const id = await publish(queue, 1)
  for (const name of ['doomed-1', 'doomed-2']) {
    const worker = await startWorker(name, queue)
    await recorded(id, 'running', name)
    await worker.kill()
  }
  await startWorker('survivor', queue)
  const { attempts } = await recorded(id, 'succeeded')
  expect(attempts.map(({ outcome, worker }) => [outcome, worker])).toEqual([
    ['lost', 'doomed-1'],
    ['lost', 'doomed-2'],
    ['succeeded', 'survivor'],
  ])
})

it('keeps a queue paused for workers that start later, and tasks cancelled that wait in it', async () => {
  const queue = 'paused'
  // Answers are waited for a while; asked again, the monitor remembers the same.
  await expect.poll(() => control.pauseQueue(queue)).toMatchObject([{ type: 'monitor' }])
  const [first, second] = [await publish(queue, 11), await publish(queue, 12)]
  await expect.poll(() => control.cancel([first])).toMatchObject([{ type: 'monitor' }])
  await startWorker('survivor', queue)
  const stats = await waitFor(async () => (await control.stats()).find(({ from }) => from === 'survivor'), {
    describe: 'the worker to say what it does',
  })
  expect(stats).toMatchObject({ queues: [queue], running: [], buffered: 0 })
  expect(stats.type === 'worker-stats' && stats.paused).toHaveLength(3)
  expect((await recorded(first, 'scheduled')).attempts).toEqual([])
  await control.resumeQueue(queue)
  expect(await recorded(second, 'succeeded')).toMatchObject({ worker: 'survivor' })
  expect(await recorded(first, 'cancelled')).toMatchObject({ reason: 'cancelled on request' })
})

it('cancels what runs in another process, and ends that process with status 0', async () => {
  const queue = 'ended'
  const worker = await startWorker('asked', queue)
  const id = await publish(queue, 21)
  await recorded(id, 'running', 'asked')
  await control.cancel([id])
  await recorded(id, 'cancelled')
  // It is answered once: whoever waits longer than usual misses nothing on a busy machine.
  const patient = createControl({ broker: system.broker, logger: createSilentLogger(), waitMs: 30_000 })
  expect(await patient.shutdown('asked')).toMatchObject([{ from: 'asked' }])
  expect(await worker.ended).toBe(0)
})
