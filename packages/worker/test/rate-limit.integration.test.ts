import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { defineTask, type RateLimitOptions } from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterEach, describe, expect, it } from 'vitest'
import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'

const shared = testBroker()
const { broker, publish, startWorker, events } = liveRig(shared)

const fixture = new URL('fixtures/limited-worker.ts', import.meta.url)
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

interface Start {
  readonly taskId: string
  readonly startedAt: number
}

async function forkWorker(
  name: string,
  { limit, per }: { limit: number; per: number },
  starts: Start[],
): Promise<ChildProcess> {
  const child = fork(fixture, [shared.url, shared.namespace, name, `${limit}`, `${per}`])
  children.push(child)
  const ready = Promise.withResolvers<void>()
  child.on('message', (told) => {
    if (told === 'ready') ready.resolve()
    else starts.push(told as Start)
  })
  await ready.promise
  return child
}

/** Most starts in any window of that length. */
function most(times: readonly number[], windowMs: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return Math.max(...sorted.map((from) => sorted.filter((time) => time >= from && time < from + windowMs).length))
}

/** What passes between a start being counted by the broker and being made, on a machine that is busy. */
const LAG_MS = 250
const blocks = (count: number) => Array.from({ length: count }, (_, number) => ({ items: [item(number)] }))
const inTime = { timeoutMs: 30_000, intervalMs: 20 }

describe('a global rate limit', () => {
  it(
    'holds for all workers together, also when one of them is killed, and no task is lost',
    { timeout: 60_000 },
    async () => {
      const limit = { limit: 10, per: 1_000 }
      const starts: Start[] = []
      const [first] = await Promise.all([1, 2, 3].map(() => forkWorker('shared', limit, starts)))
      const publishedAt = Date.now()
      await publish('shared', ...blocks(60))
      await waitFor(() => starts.length >= 20, { describe: 'a third to have started', ...inTime })
      first?.kill('SIGKILL')
      await waitFor(() => new Set(starts.map(({ taskId }) => taskId)).size === 60, {
        describe: 'all tasks to have started',
        ...inTime,
      })
      const times = starts.map(({ startedAt }) => startedAt)
      expect(most(times, limit.per - LAG_MS)).toBeLessThanOrEqual(limit.limit)
      const lastedMs = Math.max(...times) - publishedAt
      expect(lastedMs).toBeGreaterThan(5_000 - LAG_MS)
      // What is allowed is used, also after the loss of a worker.
      expect(lastedMs).toBeLessThan(20_000)
    },
  )

  it('is used up by a single worker that is given all of it', { timeout: 30_000 }, async () => {
    const rateLimit: RateLimitOptions = { limit: 50, per: '500ms', scope: 'global' }
    const times: number[] = []
    const task = defineTask({ name: 'alone', rateLimit, run: () => void times.push(Date.now()) })
    const worker = await startWorker('alone', [task])
    await publish('alone', ...blocks(200))
    await waitFor(() => times.length === 200, { describe: 'all tasks to have started', ...inTime })
    await worker.drain()
    expect(most(times, 500 - LAG_MS)).toBeLessThanOrEqual(50)
    const lastedMs = Math.max(...times) - Math.min(...times)
    expect(lastedMs).toBeGreaterThan(1_500 - LAG_MS)
    expect(lastedMs).toBeLessThan(4_500)
  })

  it('allows nothing while its queue is gone, instead of everything', { timeout: 30_000 }, async () => {
    const rateLimit: RateLimitOptions = { limit: 1, per: '300ms', scope: 'global' }
    const task = defineTask({ name: 'gone', rateLimit, run: () => undefined })
    await startWorker('gone', [task])
    await publish('gone', ...blocks(1))
    await waitFor(() => events('gone').length === 1, { describe: 'the first task', ...inTime })
    const { topology } = broker()
    const queue = topology.rateQueue({ kind: 'task', name: 'gone' }, { limit: 1, perMs: 300 })
    const vhost = encodeURIComponent(decodeURIComponent(new URL(shared.url).pathname.slice(1)) || '/')
    await callManagement(shared.managementUrl ?? '', 'DELETE', `/queues/${vhost}/${queue}`)
    await publish('gone', { items: [item(1)] })
    // Longer than the window and the pause after a refusal.
    const released = Promise.withResolvers<void>()
    setTimeout(released.resolve, 900)
    await released.promise
    expect(events('gone')).toHaveLength(1)

    await broker().declare(topology.rate({ kind: 'task', name: 'gone' }, { limit: 1, perMs: 300 }))
    await waitFor(() => events('gone').length === 2, { describe: 'the second task', ...inTime })
  })

  it('of a queue counts the tasks of all workers on it', { timeout: 30_000 }, async () => {
    const times: number[] = []
    const task = defineTask({ name: 'together', run: () => void times.push(Date.now()) })
    const config = { rateLimits: { together: { limit: 5, perMs: 500, scope: 'global' } as const } }
    await Promise.all([1, 2].map((n) => startWorker('together', [task], { config: { ...config, name: `w${n}` } })))
    await publish('together', ...blocks(20))
    await waitFor(() => times.length === 20, { describe: 'all tasks to have started', ...inTime })
    expect(most(times, 500 - LAG_MS)).toBeLessThanOrEqual(5)
  })
})

it(
  'lets the other tasks of a queue pass a flood that is over its limit and fills the prefetch many times',
  { timeout: 30_000 },
  async () => {
    const free: number[] = []
    const tasks = [
      defineTask({ name: 'flood', rateLimit: { limit: 1, per: '1h' }, run: () => undefined }),
      defineTask({ name: 'passes', run: () => void free.push(Date.now()) }),
    ]
    await publish('flood', ...blocks(500))
    const behind = Array.from({ length: 10 }, (_, number) => ({ task: 'passes', items: [item(1_000 + number)] }))
    await publish('flood', ...behind)
    await startWorker('flood', tasks, { config: { concurrency: 5, prefetch: 10 } })
    await waitFor(() => free.length === 10, { describe: 'the others to run', ...inTime })
    // Nothing is recorded of those that were sent round.
    expect(events('flood')).toHaveLength(1)
  },
)
