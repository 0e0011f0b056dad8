import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type Broker, defineTask, type RateLimitOptions } from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterEach, describe, expect, it } from 'vitest'
import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'
import { mostWithin, type Permit, watchPermits } from './permits.ts'

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

type Told = { readonly type: 'ready' } | ({ readonly type: 'start' } & Start) | ({ readonly type: 'permit' } & Permit)

async function forkWorker(
  name: string,
  { limit, per }: { limit: number; per: number },
  { starts, permits }: { readonly starts: Start[]; readonly permits: Permit[] },
): Promise<ChildProcess> {
  const child = fork(fixture, [shared.url, shared.namespace, name, `${limit}`, `${per}`])
  children.push(child)
  const ready = Promise.withResolvers<void>()
  child.on('message', (told: Told) => {
    if (told.type === 'ready') ready.resolve()
    else if (told.type === 'start') starts.push(told)
    else permits.push(told)
  })
  await ready.promise
  return child
}

/** Clocks count whole milliseconds. */
const ROUNDING_MS = 2
/** Keeps what is given to a worker. */
const watchInto = (permits: Permit[]) => (client: Broker) =>
  watchPermits(client, { onGiven: (permit) => void permits.push(permit) })
const blocks = (count: number) => Array.from({ length: count }, (_, number) => ({ items: [item(number)] }))
const inTime = { timeoutMs: 60_000, intervalMs: 20 }

describe('a global rate limit', () => {
  it('holds for all workers together, also when one of them is killed, and no task is lost', async () => {
    const limit = { limit: 10, per: 1_000 }
    const starts: Start[] = []
    const permits: Permit[] = []
    const [first] = await Promise.all([1, 2, 3].map(() => forkWorker('shared', limit, { starts, permits })))
    const publishedAt = Date.now()
    await publish('shared', ...blocks(60))
    await waitFor(() => starts.length >= 20, { describe: 'a third to have started', ...inTime })
    first?.kill('SIGKILL')
    await waitFor(() => new Set(starts.map(({ taskId }) => taskId)).size === 60, {
      describe: 'all tasks to have started',
      ...inTime,
    })
    expect(mostWithin(permits, limit.per - ROUNDING_MS)).toBeLessThanOrEqual(limit.limit)
    expect(permits.length).toBeGreaterThanOrEqual(starts.length)
    const lastedMs = Math.max(...starts.map(({ startedAt }) => startedAt)) - publishedAt
    expect(lastedMs).toBeGreaterThanOrEqual(5_000 - ROUNDING_MS)
    // What is allowed is used, also after the loss of a worker.
    expect(lastedMs).toBeLessThan(40_000)
  })

  it('is used up by a single worker that is given all of it', async () => {
    const rateLimit: RateLimitOptions = { limit: 50, per: '1s', scope: 'global' }
    const times: number[] = []
    const permits: Permit[] = []
    const task = defineTask({ name: 'alone', rateLimit, run: () => void times.push(Date.now()) })
    const worker = await startWorker('alone', [task], { onBroker: watchInto(permits) })
    const publishedAt = Date.now()
    await publish('alone', ...blocks(200))
    await waitFor(() => times.length === 200, { describe: 'all tasks to have started', ...inTime })
    await worker.drain()
    expect(mostWithin(permits, 1_000 - ROUNDING_MS)).toBeLessThanOrEqual(50)
    expect(permits.length).toBeGreaterThanOrEqual(200)
    const lastedMs = Math.max(...times) - publishedAt
    expect(lastedMs).toBeGreaterThanOrEqual(3_000 - ROUNDING_MS)
    // With a third of it, eleven seconds.
    expect(lastedMs).toBeLessThan(10_000)
  })

  it('allows nothing while its queue is gone, instead of everything', async () => {
    const rateLimit: RateLimitOptions = { limit: 1, per: '300ms', scope: 'global' }
    const task = defineTask({ name: 'gone', rateLimit, run: () => undefined })
    const permits: Permit[] = []
    let refused = 0
    await startWorker('gone', [task], {
      onBroker: (client) =>
        watchPermits(client, { onGiven: (permit) => permits.push(permit), onRefused: () => (refused += 1) }),
    })
    await publish('gone', ...blocks(1))
    await waitFor(() => events('gone').length === 1, { describe: 'the first task', ...inTime })
    const { topology } = broker()
    const queue = topology.rateQueue({ kind: 'task', name: 'gone' }, { limit: 1, perMs: 300 })
    const vhost = encodeURIComponent(decodeURIComponent(new URL(shared.url).pathname.slice(1)) || '/')
    await callManagement(shared.managementUrl ?? '', 'DELETE', `/queues/${vhost}/${queue}`)
    const refusedBefore = refused
    await publish('gone', { items: [item(1)] })
    await waitFor(() => refused >= refusedBefore + 3, { describe: 'a start to be refused three times', ...inTime })
    expect([permits.length, events('gone').length]).toEqual([1, 1])

    await broker().declare(topology.rate({ kind: 'task', name: 'gone' }, { limit: 1, perMs: 300 }))
    await waitFor(() => events('gone').length === 2, { describe: 'the second task', ...inTime })
  })

  it('of a queue counts the tasks of all workers on it', async () => {
    let starts = 0
    const permits: Permit[] = []
    const task = defineTask({ name: 'together', run: () => void (starts += 1) })
    const rateLimits = { together: { limit: 5, perMs: 500, scope: 'global' } as const }
    const start = (name: string) =>
      startWorker('together', [task], { config: { rateLimits, name }, onBroker: watchInto(permits) })
    await Promise.all([start('w1'), start('w2')])
    await publish('together', ...blocks(20))
    await waitFor(() => starts === 20, { describe: 'all tasks to have started', ...inTime })
    expect(mostWithin(permits, 500 - ROUNDING_MS)).toBeLessThanOrEqual(5)
    expect(permits.length).toBeGreaterThanOrEqual(20)
  })
})

it('lets the other tasks of a queue pass a flood that is over its limit and fills the prefetch many times', async () => {
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
  await expect.poll(() => events('flood').length).toBe(1)
})
