import { createTaskPublish, type OutgoingMessage, type TaskMessage } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AFTER_MS, ago, idOf, reconcilerRig, SMALLEST_DELAY_MS } from './reconciler-rig.ts'

const ARGS = { netuid: 1 }
const { topology, broker, database, queue, work, ready, drain, purge, record, startWorker, reconciler } =
  reconcilerRig()
const blocks = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const idsOf = (messages: readonly TaskMessage[]) => messages.flatMap(({ items }) => items.map(({ id }) => id)).sort()

describe('the reconciler', () => {
  it('publishes every task of a purged queue once more, and none twice', async () => {
    const publish = createTaskPublish(broker())
    const numbers = blocks(30)
    await record(numbers)
    const message = (number: number): TaskMessage => ({
      v: 1,
      chain: 'dev',
      task: 'a',
      queue: queue(),
      lane: 'normal',
      priority: 10,
      attempt: 1,
      postpones: 0,
      maxAttempts: 3,
      scheduledAt: ago(2 * AFTER_MS).toISOString(),
      cause: 'live',
      items: [{ id: idOf(number), block: { number }, args: ARGS }],
    })
    await Promise.all(numbers.map((number) => publish(message(number))))
    await drain(topology.monitorQueue)
    const { pass, registry } = reconciler()
    expect(await pass(), 'they still wait').toBe(0)
    await purge(work())
    await waitFor(async () => (await ready(work())) === 0, { describe: 'the queue to be empty' })

    expect(await pass()).toBe(30)
    expect(await pass(), 'they wait again').toBe(0)
    const messages = await drain(work())
    expect(idsOf(messages)).toEqual(numbers.map(idOf).sort())
    expect(messages[0]).toMatchObject({
      attempt: 1,
      lane: 'normal',
      priority: 10,
      cause: 'live',
      items: [{ args: ARGS }],
    })
    expect(await pass(), 'they were published a moment ago').toBe(0)
    expect(await ready(topology.monitorQueue), 'the record is left as it is').toBe(0)
    expect(await registry.metrics()).toContain(
      `blockmill_reconciled_tasks_total{chain="dev",task="a",queue="${queue()}",service="scheduler"} 30`,
    )
  })

  it('publishes a batch of a range job again with its range and its job', async () => {
    const rootId = '019a0000-0000-7000-8000-000000000001'
    await record([1], { cause: 'range', range_from: 10, range_to: 20, root_id: rootId, generation: 5 })
    await database().query('update blockmill.task set block_number = null')
    expect(await reconciler().pass()).toBe(1)
    expect(await drain(work())).toMatchObject([
      { cause: 'range', rootId, generation: 5, items: [{ id: idOf(1), range: { from: 10, to: 20 }, args: ARGS }] },
    ])
  })

  it('goes on in bounded batches, each when the one before was taken', async () => {
    await record(blocks(25))
    const { pass } = reconciler({ batch: 10 })
    const seen: string[] = []
    for (const expected of [10, 10, 5]) {
      expect(await pass()).toBe(expected)
      expect(await pass(), 'its lane is not empty').toBe(0)
      seen.push(...idsOf(await drain(work())))
    }
    expect(seen.sort()).toEqual(blocks(25).map(idOf).sort())
  })

  it('publishes the same ids and attempts when it is killed in the middle', async () => {
    await record(blocks(6))
    let left = 3
    const dying = {
      topology,
      publisher: {
        publish: (message: OutgoingMessage) =>
          (left -= 1) >= 0 ? broker().publisher.publish(message) : Promise.reject(new Error('killed')),
        drained: () => broker().publisher.drained(),
        pending: 0,
      },
    }
    await expect(reconciler({ broker: dying }).pass()).rejects.toThrow('killed')
    await waitFor(async () => (await ready(work())) === 3, { describe: 'half of them' })
    const early = await drain(work())
    // The next leader knows nothing of it.
    expect(await reconciler().pass()).toBe(6)
    const late = await drain(work())
    expect(idsOf(late)).toEqual(blocks(6).map(idOf).sort())
    for (const message of early) expect(late).toContainEqual(message)
  })

  it.each([
    ['were scheduled a moment ago', () => ({ scheduled_at: ago(AFTER_MS / 2) })],
    ['are to be executed later', () => ({ not_before: ago(-60_000) })],
    ['may be executed since a moment ago', () => ({ not_before: ago(AFTER_MS / 2) })],
    ['wait for their next attempt', () => ({ status: 'retrying', next_attempt_at: ago(-60_000) })],
    [
      'are due for their next attempt since a moment ago',
      () => ({ status: 'postponed', next_attempt_at: ago(AFTER_MS / 2) }),
    ],
    ['have ended', () => ({ status: 'failed' })],
    ['are of another chain', () => ({ chain: 'other' })],
  ])('leaves tasks alone that %s', async (_case, changes) => {
    await record([1], changes())
    expect(await reconciler().pass()).toBe(0)
    expect(await ready(work())).toBe(0)
  })

  it('publishes a task that waited for its next attempt with that attempt, and a postponed one with its next postpone', async () => {
    await record([1], { status: 'retrying', attempt: 2, next_attempt_at: ago(2 * AFTER_MS) })
    await record([2], { status: 'postponed', postpones: 4, next_attempt_at: ago(2 * AFTER_MS) })
    expect(await reconciler().pass()).toBe(2)
    const waited = (await drain(work())).map(({ attempt, postpones }) => `${attempt} ${postpones}`)
    expect(waited.sort()).toEqual(['1 5', '3 0'])
  })

  it('leaves a paused lane alone until it is resumed', async () => {
    await record([1])
    const { pass } = reconciler()
    await database().query(
      `insert into blockmill.queue_state (queue, lane, paused, changed_at, changed_by) values ($1, 'normal', true, now(), 'me')`,
      [queue()],
    )
    expect(await pass()).toBe(0)
    await database().query('update blockmill.queue_state set paused = false')
    expect(await pass()).toBe(1)
    await drain(work())
  })

  it('waits while the monitor has a backlog', async () => {
    await record([1])
    await createTaskPublish(broker())({
      v: 1,
      chain: 'dev',
      task: 'other',
      queue: `${queue()}-other`,
      lane: 'normal',
      priority: 10,
      attempt: 1,
      postpones: 0,
      maxAttempts: 1,
      scheduledAt: new Date().toISOString(),
      cause: 'live',
      items: [{ id: idOf(99), block: { number: 99 }, args: {} }],
    })
    const { pass } = reconciler()
    expect(await pass()).toBe(0)
    await drain(topology.monitorQueue)
    expect(await pass()).toBe(1)
    await drain(work())
  })

  it('logs once what it cannot publish, and publishes the rest', async () => {
    await record([1], { name: 'gone' })
    await record([2], { name: 'gone' })
    await record([3], { max_attempts: null })
    await record([4])
    const { pass, lines } = reconciler()
    expect(await pass()).toBe(1)
    await drain(work())
    await pass()
    expect(lines.map(({ msg }) => msg).filter((msg) => msg.includes('left alone'))).toHaveLength(2)
  })
})

describe('the reconciler asks workers, because the broker does not say what they hold', () => {
  it('publishes when each worker of the queue has answered that it holds nothing', async () => {
    await startWorker()
    await record([1])
    expect(await reconciler().pass()).toBe(1)
    await drain(work())
  })

  it.each([
    ['a worker holds messages that wait for a slot', () => ({ buffered: 1 })],
    ['a worker that was seen a moment ago does not answer', () => ({ answers: false })],
    ['a worker that fell silent a minute ago may still hold it', () => ({ answers: false, lastSeenAt: ago(60_000) })],
    ['the record has not seen a worker for long that answers', () => ({ lastSeenAt: ago(60_000) })],
    ['a worker runs the task', () => ({ running: [1] })],
  ])('leaves tasks alone while %s', async (_case, worker) => {
    await startWorker(worker())
    await record([1])
    expect(await reconciler().pass()).toBe(0)
    expect(await ready(work())).toBe(0)
  })

  it('publishes the attempt again that a lost worker was running', async () => {
    const lost = await startWorker({ answers: false, lastSeenAt: ago(2 * AFTER_MS) })
    await record([1], { status: 'running', attempt: 2, started_at: ago(2 * AFTER_MS), worker: lost })
    expect(await reconciler().pass()).toBe(1)
    expect(await drain(work())).toMatchObject([{ attempt: 2, postpones: 0, items: [{ id: idOf(1) }] }])
  })

  it('leaves what runs to a worker that lives', async () => {
    const alive = await startWorker()
    await record([1], { status: 'running', started_at: ago(2 * AFTER_MS), worker: alive })
    expect(await reconciler().pass()).toBe(0)
  })
})

describe('the reconciler counts delay queues, because tasks over a rate limit wait there without a record', () => {
  /** A message that goes through a short delay queue, as a worker sends away what it may not start. */
  async function sendAway(number: number): Promise<void> {
    const stepMs = 64 * SMALLEST_DELAY_MS
    await broker().declare(topology.delay(stepMs))
    await broker().publisher.publish({
      exchange: topology.exchanges.delay,
      routingKey: topology.delayKey(stepMs, queue(), 'normal'),
      body: Buffer.from(String(number)),
      type: 'test',
      mandatory: true,
    })
    onTestFinished(() => purge(topology.delayQueue(stepMs)))
  }

  it('leaves tasks alone while a message waits that the record knows nothing of', async () => {
    await record([1])
    await sendAway(1)
    await waitFor(async () => (await ready(topology.delayQueue(64_000))) === 1, { describe: 'the delayed message' })
    expect(await reconciler().pass()).toBe(0)
  })

  it('publishes when all that waits is on record', async () => {
    await record([1])
    await record([2], { status: 'retrying', next_attempt_at: ago(-60_000) })
    await sendAway(2)
    await waitFor(async () => (await ready(topology.delayQueue(64_000))) === 1, { describe: 'the delayed message' })
    expect(await reconciler().pass()).toBe(1)
    expect(idsOf(await drain(work()))).toEqual([idOf(1)])
  })
})

it('stops between two passes at once', async () => {
  const { created } = reconciler({ intervalMs: 60_000 })
  const stopping = new AbortController()
  const over = created.run(stopping.signal, new AbortController().signal)
  stopping.abort()
  await over
})
