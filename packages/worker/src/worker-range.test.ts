import {
  defineRangeTask,
  type Json,
  Postpone,
  RangeTooLarge,
  type RangeTaskContext,
  type RangeTaskOptions,
  readManifest,
  ROWS_MESSAGE_TYPE,
  type RowsManifest,
  type TaskEvent,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { batch, JOB, ReceivedParts } from '../test/batches.ts'
import type { WorkerConfig } from './index.ts'
import { createWorkerRig, gate, type WorkerRig } from '../test/worker-rig.ts'

type Handler = (context: RangeTaskContext<Record<string, never>>) => unknown

const inTime = { timeoutMs: 15_000, intervalMs: 1 }
const soon = { retry: { maxAttempts: 3, backoff: { type: 'constant', pause: 10 } } } as const
const rigs: WorkerRig[] = []

afterEach(async () => {
  vi.useRealTimers()
  for (const { worker, broker } of rigs.splice(0)) {
    await worker.stop()
    await broker.stop()
  }
})

async function setUp(
  run: Handler,
  options: Partial<Pick<RangeTaskOptions<Record<string, never>, unknown>, 'rateLimit' | 'timeout'>> = {},
  config: Partial<WorkerConfig> = {},
) {
  const definition = defineRangeTask<Record<string, never>>({ name: 'fetch', ...soon, ...options, run })
  const rig = await createWorkerRig([definition], { smallestDelayMs: 10, ...config })
  rigs.push(rig)
  await rig.worker.start()
  const received = new ReceivedParts()
  await received.consume(rig.broker)
  const ended = async (): Promise<TaskEvent> => {
    const isEnd = ({ type }: TaskEvent): boolean => ['succeeded', 'failed', 'cancelled', 'split'].includes(type)
    await waitFor(() => rig.events().some(isEnd), { describe: 'the end of the task', ...inTime })
    return rig.events().find(isEnd) as TaskEvent
  }
  const manifest = async (): Promise<RowsManifest> => {
    const event = await ended()
    const found = event.type === 'succeeded' ? readManifest(event.result) : undefined
    if (found === undefined) throw new Error(`the task ended with ${JSON.stringify(event)}`)
    return found
  }
  return { ...rig, received, ended, manifest }
}

describe('a batch', () => {
  it('gets its range and arguments, and its rows and what it returns become its result', async () => {
    const { publish, manifest, received } = await setUp(async ({ range, args, cursor, attempt, taskId, emit }) => {
      await emit([{ range: { ...range }, args, cursor: cursor ?? 'none', attempt, taskId }])
      return { pages: 1 }
    })
    const message = batch(5, 9)
    await publish(message)
    const { rows, parts, value } = await manifest()
    expect({ rows, value }).toEqual({ rows: 1, value: { pages: 1 } })
    const taskId = message.items[0]?.id
    expect(received.rows(parts)).toEqual([{ range: { from: 5, to: 9 }, args: {}, cursor: 'none', attempt: 1, taskId }])
    expect(received.all).toMatchObject([{ job: JOB, taskId, part: 0, rows: 1 }])
  })

  it('succeeds only when the broker has confirmed all its rows', async () => {
    const { publish, events, broker, manifest } = await setUp(({ emit }) => emit([{ n: 1 }]))
    const confirm = gate()
    broker.onPublish = ({ type }) => (type === ROWS_MESSAGE_TYPE ? confirm.wait() : undefined)
    await publish(batch(1, 1))
    await waitFor(() => broker.publisher.pending > 0, { describe: 'the rows to be on their way', ...inTime })
    expect(events()).toEqual([])
    confirm.open()
    expect(await manifest()).toMatchObject({ rows: 1 })
  })

  it('that is tried again goes on from its checkpoint, and has each row once', async () => {
    const cursors: (Json | undefined)[] = []
    const { publish, manifest, received, events } = await setUp(async ({ cursor, emit, checkpoint }) => {
      cursors.push(cursor)
      if (cursor === undefined) {
        await emit([{ n: 1 }, { n: 2 }, { n: 3 }])
        await checkpoint(3)
        await emit([{ n: 4 }, { n: 5 }])
        throw new Error('the node went away')
      }
      if (cursor === 3) {
        await emit([{ n: 4 }])
        await checkpoint(4)
        await emit([{ n: 5 }])
        throw new Postpone(10)
      }
      await emit([{ n: 5 }, { n: 6 }])
    })
    await publish(batch(1, 9))
    const { rows, parts } = await manifest()
    expect(cursors).toEqual([undefined, 3, 4])
    expect(rows).toBe(6)
    expect(received.rows(parts)).toEqual([1, 2, 3, 4, 5, 6].map((n) => ({ n })))
    expect(events().map(({ type, attempt }) => [type, attempt])).toEqual([
      ['retrying', 1],
      ['postponed', 2],
      ['succeeded', 2],
    ])
  })

  it('that times out goes on from its checkpoint', async () => {
    const { publish, manifest, received } = await setUp(
      async ({ cursor, emit, checkpoint, signal }) => {
        if (cursor === undefined) {
          await emit([{ n: 1 }])
          await checkpoint(1)
          await emit([{ n: 2 }])
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error))
          })
        }
        await emit([{ n: 2 }])
      },
      { timeout: 200 },
    )
    await publish(batch(1, 9))
    expect(received.rows((await manifest()).parts)).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('that two workers run at once has the rows of one of them', async () => {
    const both = gate()
    let running = 0
    const run: Handler = async ({ emit }) => {
      running += 1
      if (running === 2) both.open()
      await emit([{ n: 1 }, { n: 2 }])
      await both.wait()
    }
    const oneAtATime = { concurrency: 1, prefetch: 1 }
    const { publish, received, events, join } = await setUp(run, {}, oneAtATime)
    const second = join([defineRangeTask<Record<string, never>>({ name: 'fetch', run })], oneAtATime)
    await second.start()
    await publish(batch(1, 9), batch(1, 9))
    await waitFor(() => events().length === 2, { describe: 'two successes', ...inTime })
    await second.stop()
    for (const event of events()) {
      const manifest = event.type === 'succeeded' ? readManifest(event.result) : undefined
      expect(manifest?.rows).toBe(2)
      expect(received.rows(manifest?.parts ?? [])).toEqual([{ n: 1 }, { n: 2 }])
    }
  })

  it('fails when its rows are no rows, and when it is no batch of a job', async () => {
    const bad = await setUp(({ emit }) => void emit(['text' as never]))
    await bad.publish(batch(1, 1, { maxAttempts: 1 }))
    expect(await bad.ended()).toMatchObject({ type: 'failed', error: { code: 'ROW_INVALID' } })

    const jobless = await setUp(() => undefined)
    const { rootId: _, ...message } = batch(1, 1, { maxAttempts: 1 })
    await jobless.publish(message)
    expect(await jobless.ended()).toMatchObject({ type: 'failed', error: { code: 'TASK_WITHOUT_RANGE' } })
  })
})

describe('RangeTooLarge', () => {
  it('splits a batch: no failure, and no attempt used', async () => {
    const { publish, ended, metrics } = await setUp(async ({ emit }) => {
      await emit([{ n: 1 }])
      throw new RangeTooLarge('10,000 rows', { safeSize: 3 })
    })
    await publish(batch(1, 9))
    expect(await ended()).toMatchObject({ type: 'split', attempt: 1, reason: '10,000 rows', safeSize: 3 })
    const counted = await metrics.metrics()
    expect(counted).toContain('blockmill_tasks_split_total{task="fetch",queue="default"} 1')
    expect(counted).toContain('blockmill_tasks_failed_total{task="fetch",queue="default"} 0')
  })

  it('of another copy of the core is known by its name, and a size that is none is left out', async () => {
    const { publish, ended } = await setUp(() => {
      throw Object.assign(new Error('too many'), { name: 'RangeTooLarge', safeSize: -1 })
    })
    await publish(batch(1, 9))
    const event = await ended()
    expect(event).toMatchObject({ type: 'split', reason: 'too many' })
    expect(event).not.toHaveProperty('safeSize')
  })

  it('fails a batch of one block at once, because there is nothing to split', async () => {
    const { publish, ended, events } = await setUp(() => {
      throw new RangeTooLarge('10,000 rows')
    })
    await publish(batch(7, 7))
    expect(await ended()).toMatchObject({ type: 'failed', reason: 'not_retryable', error: { message: '10,000 rows' } })
    expect(events()).toHaveLength(1)
  })
})

describe('throttle', () => {
  it('takes permits of the limit that starts are taken from', async () => {
    vi.useFakeTimers()
    const at: number[] = []
    const { publish, manifest } = await setUp(
      async ({ throttle }) => {
        for (let request = 0; request < 4; request += 1) {
          await throttle()
          at.push(performance.now())
        }
      },
      { rateLimit: { limit: 2, per: 100 } },
    )
    const startedAt = performance.now()
    await publish(batch(1, 9))
    await vi.advanceTimersByTimeAsync(1_000)
    await manifest()
    // With the start these are five: two at once, two after a window, one after another.
    expect(at.map((time) => Math.floor((time - startedAt) / 100))).toEqual([0, 1, 1, 2])
  })

  it('counts for all workers where the limit is global', async () => {
    let requests = 0
    const { publish, manifest, broker } = await setUp(
      async ({ throttle }) => {
        for (; requests < 3; requests += 1) await throttle()
      },
      { rateLimit: { limit: 50, per: '1s', scope: 'global' } },
    )
    await publish(batch(1, 9))
    await manifest()
    const permits = broker.published.filter(({ type }) => type === 'blockmill.permit.v1')
    expect(permits.length).toBeGreaterThanOrEqual(4)
  })

  it('resolves at once without a limit, and ends with the signal with one', async () => {
    const unlimited = await setUp(({ throttle }) => throttle())
    await unlimited.publish(batch(1, 1))
    await unlimited.manifest()

    const limited = await setUp(
      async ({ throttle }) => {
        await throttle()
        throw new Error('unreachable')
      },
      { rateLimit: { limit: 1, per: '1h' }, timeout: 30 },
    )
    await limited.publish(batch(1, 1, { maxAttempts: 1 }))
    expect(await limited.ended()).toMatchObject({ type: 'failed', error: { code: 'TASK_TIMED_OUT' } })
  })
})
