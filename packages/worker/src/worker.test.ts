import { waitFor } from '@blockmill/testkit'
import { describe, expect, it } from 'vitest'
import { item, message } from '../test/messages.ts'
import { gate, useWorkerRigs } from '../test/worker-rig.ts'

const setUp = useWorkerRigs()
const inTime = { timeoutMs: 15_000, intervalMs: 1 }

describe('order', () => {
  it('lets a normal task start next, however many low ones wait', async () => {
    const order: number[] = []
    const first = gate()
    const { publish, worker } = await setUp(
      async ({ block }) => {
        order.push(block.number)
        if (block.number === 1) await first.wait()
      },
      { concurrency: 1 },
    )
    for (let block = 1; block <= 50; block += 1)
      await publish(message({ lane: 'low', priority: 20, items: [item(block)] }))
    await publish(message({ items: [item(1_000)] }), message({ lane: 'high', priority: 0, items: [item(2_000)] }))
    first.open()
    await waitFor(() => order.length === 52, { describe: 'all tasks to run', ...inTime })
    await worker.drain()
    expect(order.slice(0, 3)).toEqual([1, 2_000, 1_000])
  })

  it('never runs more handlers at once than its concurrency', async () => {
    let running = 0
    let most = 0
    const { publish, worker } = await setUp(async () => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
    })
    for (let block = 0; block < 40; block += 1) await publish(message({ items: [item(block), item(1_000 + block)] }))
    await worker.drain()
    expect(most).toBe(4)
  })

  it('leaves the queues alone that it was not given', async () => {
    const { broker, publish, worker, events } = await setUp(() => undefined, { queues: ['a'] })
    await broker.declare(broker.topology.work('b'))
    await publish(message({ queue: 'a' }), message({ queue: 'b' }))
    await worker.drain()
    expect(events()).toHaveLength(1)
    expect(broker.ready('blockmill.work.b.normal')).toHaveLength(1)
  })
})

it('sends a heartbeat at once and at each interval, with what it runs', async () => {
  const running = gate()
  const { publish, heartbeats } = await setUp(() => running.wait(), { heartbeatMs: 10, queues: ['default'] })
  await publish(message({ attempt: 2, postpones: 1, generation: 5 }))
  await waitFor(() => heartbeats().some((beat) => beat.running.length > 0), { describe: 'a heartbeat', ...inTime })
  expect(heartbeats()[0]).toMatchObject({
    worker: 'w1',
    queues: ['default'],
    concurrency: 4,
    stopping: false,
    running: [],
  })
  expect(heartbeats().at(-1)?.running).toMatchObject([
    { taskId: item(1).id, chain: 'dev', task: 'noop', block: 1, attempt: 2, postpones: 1, generation: 5 },
  ])
  running.open()
})

it('frees the slot of a handler that is stuck, and counts it', async () => {
  const { publish, events, metrics } = await setUp(
    ({ block }) => (block.number === 1 ? new Promise(() => undefined) : undefined),
    { concurrency: 1, stuckGraceMs: 10 },
    { timeout: 10, retry: { maxAttempts: 1 } },
  )
  await publish(message({ maxAttempts: 1, items: [item(1)] }), message({ items: [item(2)] }))
  await waitFor(() => events().length === 2, { describe: 'both tasks to end', ...inTime })
  expect(events()).toMatchObject([
    { type: 'failed', block: 1, error: { code: 'TASK_STUCK' } },
    { type: 'succeeded', block: 2 },
  ])
  expect(await metrics.getSingleMetricAsString('blockmill_worker_stuck_total')).toContain(
    'blockmill_worker_stuck_total 1',
  )
})

it('measures the critical time from when a task was scheduled, over its retries, and only when it succeeds', async () => {
  const { publish, events, metrics } = await setUp(
    ({ block, attempt }) => {
      if (block.number === 2 || attempt === 1) throw new Error('boom')
    },
    { smallestDelayMs: 10 },
    { retry: { maxAttempts: 2, backoff: { type: 'constant', pause: 10 } } },
  )
  const scheduledAt = new Date(Date.now() - 40_000).toISOString()
  await publish(
    message({ scheduledAt, cause: 'live', items: [item(1)] }),
    message({ scheduledAt, cause: 'live', items: [item(2)], maxAttempts: 2 }),
  )
  await waitFor(() => events().length === 4, { describe: 'two attempts of each', ...inTime })
  const text = await metrics.getSingleMetricAsString('blockmill_task_critical_seconds')
  const labels = 'task="noop",queue="default",cause="live"'
  expect(text).toContain(`blockmill_task_critical_seconds_count{${labels}} 1`)
  expect(text).toContain(`blockmill_task_critical_seconds_bucket{le="30",${labels}} 0`)
  expect(text).toContain(`blockmill_task_critical_seconds_bucket{le="60",${labels}} 1`)
})

it('counts what it does by task and queue', async () => {
  const { publish, worker, metrics } = await setUp(({ block }) => {
    if (block.number === 2) throw new Error('boom')
  })
  await publish(message({ items: [item(1)] }), message({ items: [item(2)] }))
  await worker.drain()
  const text = await metrics.metrics()
  const labels = '{task="noop",queue="default"}'
  expect(text).toContain(`blockmill_tasks_started_total${labels} 2`)
  expect(text).toContain(`blockmill_tasks_succeeded_total${labels} 1`)
  expect(text).toContain(`blockmill_tasks_retried_total${labels} 1`)
  expect(text, 'there before the first one').toContain(`blockmill_tasks_failed_total${labels} 0`)
  expect(text).toContain(`blockmill_task_duration_seconds_count${labels} 2`)
  expect(text).toContain(`blockmill_task_queue_wait_seconds_count${labels} 2`)
  expect(text).toContain('blockmill_worker_slots_limit 4')
  expect(text).toContain('blockmill_worker_slots_used 0')
  expect(text).toContain('blockmill_worker_buffered_messages 0')
})
