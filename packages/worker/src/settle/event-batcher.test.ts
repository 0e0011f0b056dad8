import {
  createTopology,
  eventMessageCodec,
  type EventMessage,
  type OutgoingMessage,
  type TaskEvent,
} from '@blockmill/core'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { item } from '../../test/messages.ts'
import { createEventBatcher } from './event-batcher.ts'

/** A batcher whose publishes stay open until the test confirms them. */
function setUp() {
  const sent: EventMessage[] = []
  const open: PromiseWithResolvers<void>[] = []
  const batcher = createEventBatcher({
    worker: 'w "1"',
    topology: createTopology(),
    publish({ body }: OutgoingMessage) {
      sent.push(eventMessageCodec.decode(body))
      const confirm = Promise.withResolvers<void>()
      open.push(confirm)
      return confirm.promise
    },
    now: () => 0,
  })
  const sizes = (): number[] => sent.map(({ events }) => events.length)
  return { batcher, sent, open, sizes }
}

function event(block: number, result: unknown = null): TaskEvent {
  const at = '2026-01-01T00:00:00.000Z'
  return {
    type: 'succeeded',
    taskId: item(block).id,
    chain: 'dev',
    task: 'noop',
    attempt: 1,
    postpones: 0,
    at,
    startedAt: at,
    result,
  }
}

it('sends a lone event at the end of the turn, and what came in the same turn with it', async () => {
  const { batcher, sent, sizes } = setUp()
  batcher.add(event(1))
  batcher.add(event(2))
  expect(sent).toEqual([])
  await turn()
  expect(sizes()).toEqual([2])
  expect(sent[0]).toMatchObject({ v: 1, worker: 'w "1"', sentAt: '1970-01-01T00:00:00.000Z' })
})

it('gathers events while a batch is under way, and sends them when it is confirmed', async () => {
  const { batcher, open, sizes } = setUp()
  batcher.add(event(0))
  await turn()
  for (let block = 1; block <= 7; block += 1) batcher.add(event(block))
  await turn()
  expect(sizes()).toEqual([1])
  open[0]?.resolve()
  await turn()
  expect(sizes()).toEqual([1, 7])
})

it('does not wait for a slow confirm longer than 20 ms', async () => {
  vi.useFakeTimers()
  try {
    const { batcher, sizes } = setUp()
    batcher.add(event(0))
    await vi.advanceTimersToNextTimerAsync()
    batcher.add(event(1))
    await vi.advanceTimersByTimeAsync(19)
    expect(sizes()).toEqual([1])
    await vi.advanceTimersByTimeAsync(1)
    expect(sizes()).toEqual([1, 1])
  } finally {
    vi.useRealTimers()
  }
})

it('sends at 200 events, and before it would exceed 256 KB', async () => {
  const { batcher, sizes } = setUp()
  for (let block = 0; block < 450; block += 1) batcher.add(event(block))
  await turn()
  expect(sizes().slice(0, 2)).toEqual([200, 200])

  const large = setUp()
  for (let block = 0; block < 5; block += 1) large.batcher.add(event(block, 'x'.repeat(100_000)))
  await turn()
  expect(large.sizes().slice(0, 2)).toEqual([2, 2])
})

it('confirms each event once, in order, and only when the broker has confirmed its batch', async () => {
  const { batcher, open } = setUp()
  const confirmed: number[] = []
  for (let block = 0; block < 3; block += 1) batcher.add(event(block), () => confirmed.push(block))
  await turn()
  expect({ confirmed, pending: batcher.pending }).toEqual({ confirmed: [], pending: 3 })
  open[0]?.resolve()
  await turn()
  expect({ confirmed, pending: batcher.pending }).toEqual({ confirmed: [0, 1, 2], pending: 0 })
})

it('confirms nothing of a batch that was given up', async () => {
  const { batcher, open } = setUp()
  const onConfirmed = vi.fn<() => void>()
  batcher.add(event(1), onConfirmed)
  const flushed = batcher.flush()
  open[0]?.reject(new Error('the worker stops'))
  await flushed
  expect(onConfirmed).not.toHaveBeenCalled()
  expect(batcher.pending).toBe(0)
})

it('flushes everything added so far', async () => {
  const { batcher, open, sizes } = setUp()
  batcher.add(event(1))
  await turn()
  batcher.add(event(2))
  let flushed = false
  const flushing = batcher.flush().then(() => (flushed = true))
  expect(sizes()).toEqual([1, 1])
  open[0]?.resolve()
  await turn()
  expect(flushed).toBe(false)
  open[1]?.resolve()
  await flushing
})

it('reports a failure whose error is too large without the text of that error', async () => {
  const { batcher, sent } = setUp()
  const error = { name: 'Huge', message: 'x'.repeat(2_000_000), classes: ['x'.repeat(2_000_000)] }
  batcher.add({ ...event(1), type: 'failed', reason: 'exhausted', error } as TaskEvent)
  await turn()
  expect(sent[0]?.events[0]).toMatchObject({
    type: 'failed',
    error: { name: 'Huge', message: expect.stringMatching(/^the error is too large/) as string },
  })
})

it('keeps what a result was when its event was added, whatever its handler does to it later', async () => {
  const { batcher, sent } = setUp()
  const result: Record<string, unknown> = { rows: 1 }
  batcher.add(event(1, result))
  result['rows'] = 1n
  await turn()
  expect(sent[0]?.events[0]).toMatchObject({ result: { rows: 1 } })
})
