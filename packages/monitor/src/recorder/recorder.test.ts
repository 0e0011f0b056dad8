import { setImmediate as nextTurn } from 'node:timers/promises'

import { createMetrics, createSilentLogger, type Database, DEAD_HEADERS, type Query } from '@blockmill/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { createFakeBroker, type FakeDelivery } from '../../test/fake-broker.ts'
import { eventMessage, heartbeat, idOfBlock, succeeded, taskMessage } from '../../test/message-arbitraries.ts'
import { createRecorder, type RecorderOptions } from './recorder.ts'

const unavailable = Object.assign(new Error('the database system is shutting down'), { code: '57P01' })
const refused = Object.assign(new Error('integer out of range'), { code: '22003' })

/** A database that commits what each test says, and remembers the ids of the tasks it was given. */
function fakeDatabase(commit: (ids: readonly string[]) => Promise<void> | void = () => undefined) {
  const commits: string[][] = []
  const query: Query = async (sql, [first] = []) => {
    if (!sql.includes('blockmill.task (')) return []
    const ids = String(first).match(/[0-9a-f-]{36}/g) ?? []
    await commit(ids)
    commits.push(ids)
    return []
  }
  const database = { address: 'test', query, withTransaction: (work: (query: Query) => unknown) => work(query) }
  return { commits, database: database as unknown as Database }
}

async function start(
  commit?: (ids: readonly string[]) => Promise<void> | void,
  { confirms = true, spacingMs = 0, ...options }: Partial<RecorderOptions> & { confirms?: boolean } = {},
) {
  const broker = createFakeBroker({ confirms })
  const { database, commits } = fakeDatabase(commit)
  const metrics = createMetrics('monitor')
  const recorder = createRecorder({ broker, database, metrics, logger: createSilentLogger(), spacingMs, ...options })
  onTestFinished(() => recorder.stop())
  await recorder.start()
  const deliver = (...messages: Parameters<typeof broker.deliver>[1]) =>
    broker.deliver(broker.topology.monitorQueue, messages)
  return { broker, recorder, commits, metrics, deliver }
}

const acked = (deliveries: readonly FakeDelivery[]) => deliveries.map(({ isAcked }) => isAcked())
/** All has gone on that waits for nothing. */
const settled = () => nextTurn()
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 })

describe('the recorder', () => {
  it('acks only what was committed', async () => {
    const commit = Promise.withResolvers<void>()
    const { deliver } = await start(() => commit.promise)
    const deliveries = deliver(taskMessage([1]), taskMessage([2]))
    await settled()
    expect(acked(deliveries)).toEqual([false, false])
    commit.resolve()
    await eventually(() => expect(acked(deliveries)).toEqual([true, true]))
  })

  it('gathers what arrives during a write into the next batch', async () => {
    const first = Promise.withResolvers<void>()
    const { deliver, commits } = await start((ids) => (ids.includes(idOfBlock(1)) ? first.promise : undefined))
    deliver(taskMessage([1]))
    await settled()
    const rest = deliver(taskMessage([3]), eventMessage([succeeded(2)]), taskMessage([2]))
    first.resolve()
    await eventually(() => expect(acked(rest)).toEqual([true, true, true]))
    expect(commits).toEqual([[idOfBlock(1)], [idOfBlock(2), idOfBlock(3)]])
  })

  it('writes a full batch without waiting for the spacing to end', async () => {
    const { deliver, commits } = await start(undefined, { spacingMs: 60_000 })
    deliver(taskMessage([0]))
    await eventually(() => expect(commits).toHaveLength(1))
    deliver(...Array.from({ length: 499 }, (_, index) => taskMessage([index + 1])))
    await settled()
    expect(commits).toHaveLength(1)
    deliver(taskMessage([500]))
    await eventually(() => expect(commits[1]).toHaveLength(500))
  })

  it('bounds a batch by rows, because a chunk carries many', async () => {
    const { deliver, commits } = await start()
    const chunk = (from: number) => taskMessage(Array.from({ length: 500 }, (_, index) => from + index))
    const deliveries = deliver(...Array.from({ length: 41 }, (_, index) => chunk(index * 500)))
    await eventually(() => expect(acked(deliveries)).not.toContain(false))
    expect(commits.map((ids) => ids.length)).toEqual([20_000, 500])
  })

  it('takes no more from the broker while large messages wait, and goes on when they are stored', async () => {
    const commit = Promise.withResolvers<void>()
    const limits = { mostWaitingBytes: 640_000, batch: { messages: 500, rows: 5_000, bytes: 80_000 } }
    const { deliver, broker } = await start(() => commit.promise, limits)
    const large = (block: number) => eventMessage([succeeded(block, { result: 'x'.repeat(10_000) })])
    const deliveries = deliver(...Array.from({ length: 60 }, (_, index) => large(index)))
    await settled()
    expect(broker.isPaused(broker.topology.monitorQueue)).toBe(false)
    deliveries.push(...deliver(...Array.from({ length: 20 }, (_, index) => large(index))))
    expect(broker.isPaused(broker.topology.monitorQueue)).toBe(true)
    commit.resolve()
    await eventually(() => expect(acked(deliveries)).not.toContain(false))
    expect(broker.isPaused(broker.topology.monitorQueue)).toBe(false)
  })

  it('acks nothing while the database is away, says that it is not ready, and catches up', async () => {
    let isDown = true
    const { deliver, recorder, commits, metrics } = await start(() => {
      if (isDown) throw unavailable
    })
    const deliveries = deliver(taskMessage([1]), heartbeat([2]))
    await eventually(() => expect(recorder.isReady()).toBe(false))
    expect(acked(deliveries)).toEqual([false, false])
    isDown = false
    await eventually(() => expect(acked(deliveries)).toEqual([true, true]))
    expect(recorder.isReady()).toBe(true)
    expect(commits).toEqual([[idOfBlock(1), idOfBlock(2)]])
    expect(await metrics.getSingleMetricAsString('blockmill_recorder_retries_total')).toMatch(/_total\{.*\} [1-9]/)
  })

  it('says how far it is behind', async () => {
    const { deliver, metrics } = await start()
    const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString()
    const deliveries = deliver(
      taskMessage([1], { scheduledAt: secondsAgo(5_000) }),
      taskMessage([2], { scheduledAt: secondsAgo(100) }),
    )
    await eventually(() => expect(acked(deliveries)).toEqual([true, true]))
    const lag = await metrics.getSingleMetricAsString('blockmill_recorder_lag_seconds')
    expect(Number(lag.split(' ').at(-1))).toBeGreaterThanOrEqual(100)
    expect(Number(lag.split(' ').at(-1))).toBeLessThan(200)
  })

  it('stops at once while the database is away, and acks nothing', async () => {
    const { deliver, recorder, broker } = await start(() => {
      throw unavailable
    })
    const deliveries = deliver(taskMessage([1]))
    await eventually(() => expect(recorder.isReady()).toBe(false))
    await Promise.all([recorder.stop(), recorder.stop()])
    expect(acked(deliveries)).toEqual([false])
    expect(broker.isPaused(broker.topology.monitorQueue)).toBe(true)
  })

  it('stores what was delivered before it stops', async () => {
    const { deliver, recorder } = await start(undefined, { spacingMs: 60_000 })
    deliver(taskMessage([0]))
    await settled()
    const deliveries = deliver(taskMessage([1]), taskMessage([2]))
    await recorder.stop()
    expect(acked(deliveries)).toEqual([true, true])
  })

  it('sends a poison message to the dead queue and stores everything around it', async () => {
    const poison = idOfBlock(13)
    const { deliver, broker, commits } = await start((ids) => {
      if (ids.includes(poison)) throw refused
    })
    const blocks = Array.from({ length: 40 }, (_, index) => index)
    const deliveries = deliver(...blocks.map((block) => taskMessage([block])))
    await eventually(() => expect(acked(deliveries)).not.toContain(false))
    expect(new Set(commits.flat())).toEqual(new Set(blocks.filter((block) => block !== 13).map(idOfBlock)))
    expect(broker.published.map(({ message }) => message)).toEqual([
      expect.objectContaining({
        exchange: 'blockmill.dead',
        body: taskMessage([13]).body,
        type: 'blockmill.task.v1',
        headers: {
          [DEAD_HEADERS.reason]: 'not_recordable',
          [DEAD_HEADERS.error]: 'integer out of range',
          [DEAD_HEADERS.queue]: 'blockmill.monitor',
        },
      }),
    ])
    // Halving 40 messages down to one takes a dozen writes, not 40.
    expect(commits.length).toBeLessThan(14)
  })

  it('stores the sound events of a message that holds one it cannot store', async () => {
    const { deliver, broker, commits } = await start((ids) => {
      if (ids.includes(idOfBlock(2))) throw refused
    })
    const [delivery] = deliver(eventMessage([succeeded(1), succeeded(2), succeeded(3)]))
    await eventually(() => expect(delivery?.isAcked()).toBe(true))
    expect(commits.flat().toSorted()).toEqual([idOfBlock(1), idOfBlock(3)])
    expect(broker.published).toHaveLength(1)
  })

  it('acks a malformed message only after the dead queue has confirmed it', async () => {
    const { deliver, broker } = await start(undefined, { confirms: false })
    const deliveries = deliver({ type: 'blockmill.task.v1', body: Buffer.from('{') }, taskMessage([1]))
    await eventually(() => expect(broker.published).toHaveLength(1))
    expect(broker.published[0]?.message.headers).toMatchObject({ [DEAD_HEADERS.reason]: 'invalid_message' })
    expect(acked(deliveries)).toEqual([false, false])
    broker.published[0]?.confirm()
    await eventually(() => expect(acked(deliveries)).toEqual([true, true]))
  })

  it('stops although the dead queue does not confirm', async () => {
    const { deliver, broker, recorder } = await start(undefined, { confirms: false })
    const deliveries = deliver({ type: 'blockmill.task.v1', body: Buffer.from('{') })
    await eventually(() => expect(broker.published).toHaveLength(1))
    await recorder.stop()
    expect(acked(deliveries)).toEqual([false])
  })

  it('forgets deliveries of a lost channel, and never acks them', async () => {
    const first = Promise.withResolvers<void>()
    const { deliver, broker, commits } = await start((ids) => (ids.includes(idOfBlock(1)) ? first.promise : undefined))
    const stale = deliver(taskMessage([1]))
    await settled()
    stale.push(...deliver(taskMessage([2])))
    broker.cut(broker.topology.monitorQueue)
    first.resolve()
    const again = deliver(taskMessage([1]), taskMessage([2]))
    await eventually(() => expect(acked(again)).toEqual([true, true]))
    expect(acked(stale)).toEqual([false, false])
    expect(commits).toEqual([[idOfBlock(1)], [idOfBlock(1), idOfBlock(2)]])
  })
})
