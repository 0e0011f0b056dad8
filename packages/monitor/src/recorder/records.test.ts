import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  anyDelivery,
  anySplit,
  eventBase,
  eventMessage,
  heartbeat,
  idOfBlock,
  type Message,
  succeeded,
  taskMessage,
} from '../../test/message-arbitraries.ts'
import { messageRecords } from './message-records.ts'
import { foldBatch, type Records } from './records.ts'

function fold(messages: readonly Message[]): Records {
  return foldBatch(messages.map(({ type, body }) => messageRecords(type, body)))
}

function only(messages: readonly Message[]) {
  const { tasks } = fold(messages)
  expect(tasks).toHaveLength(1)
  return tasks[0]
}

describe('folding a batch', () => {
  it('gives the same rows for every order, repetition and split of the same messages', () => {
    fc.assert(
      fc.property(
        anyDelivery.chain(({ messages, delivered }) =>
          fc.record({ messages: fc.constant(messages), parts: anySplit(delivered) }),
        ),
        ({ messages, parts }) => {
          expect(foldBatch(parts.map(fold))).toEqual(fold(messages))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('fills in the scheduled fields when the finished event arrives before the scheduled message', () => {
    const early = only([eventMessage([succeeded(7)])])
    expect(early).toMatchObject({ state: { state: 'succeeded' }, schedule: null, unit: null })
    const task = only([eventMessage([succeeded(7)]), taskMessage([7])])
    expect(task).toMatchObject({
      id: idOfBlock(7),
      block: 7,
      state: { state: 'succeeded', worker: 'worker-a', result: '{"block":7}' },
      schedule: { queue: 'default', lane: 'normal', priority: 10 },
      unit: { args: '{"netuid":1}' },
    })
  })

  it('makes a row of each task of a chunk, sorted by id', () => {
    const { tasks } = fold([taskMessage([3, 1, 2])])
    expect(tasks.map(({ block }) => block)).toEqual([1, 2, 3])
  })

  it('keeps the first scheduling when a task is scheduled again', () => {
    const again = taskMessage([1], { scheduledAt: '2026-01-01T00:00:09.000Z', cause: 'lookback' })
    expect(only([again, taskMessage([1])])?.schedule).toMatchObject({ cause: 'live' })
  })

  it('starts afresh when a task is replayed, whatever the earlier generation comes to', () => {
    const replay = taskMessage([1], { generation: 5, cause: 'replay', scheduledAt: '2026-01-02T00:00:00.000Z' })
    const task = only([replay, eventMessage([succeeded(1)]), taskMessage([1])])
    expect(task).toMatchObject({ state: { state: 'scheduled', generation: 5 }, schedule: { cause: 'replay' } })
  })

  it('records a success once, the first, when an attempt was delivered twice', () => {
    const late = { ...succeeded(1, { result: 'late' }), at: '2026-01-01T00:00:05.000Z' }
    const { tasks, attempts } = fold([eventMessage([late], 'worker-b'), eventMessage([succeeded(1)])])
    expect(tasks).toHaveLength(1)
    expect(tasks[0]?.state).toMatchObject({ worker: 'worker-a', result: '{"block":1}' })
    expect(attempts).toEqual([])
  })

  it('shows the worker that runs a task now, not the one that was lost', () => {
    const task = only([heartbeat([1], 9, 'worker-b'), heartbeat([1], 3, 'worker-a')])
    expect(task?.state).toMatchObject({ state: 'running', worker: 'worker-b' })
  })

  it('keeps every failed attempt with its error, worker and delay', () => {
    const retrying = (attempt: number) => ({
      type: 'retrying' as const,
      ...eventBase(1, { attempt }),
      startedAt: '2026-01-01T00:00:01.000Z',
      error: { name: 'Error', message: `failure ${attempt}`, classes: ['Error'] },
      delayMs: attempt * 1_000,
      nextAttemptAt: '2026-01-01T00:01:00.000Z',
    })
    const { tasks, attempts } = fold([eventMessage([retrying(2), succeeded(1, { attempt: 3 }), retrying(1)])])
    expect(tasks[0]?.state).toMatchObject({ state: 'succeeded', attempt: 3, error: null })
    expect(attempts).toMatchObject([
      { attempt: 1, outcome: 'retrying', delayMs: 1_000, error: expect.stringContaining('failure 1') },
      { attempt: 2, outcome: 'retrying', delayMs: 2_000, error: expect.stringContaining('failure 2') },
    ])
  })

  it('keeps the latest heartbeat of each worker', () => {
    const { workers } = fold([heartbeat([], 5), heartbeat([1], 2), heartbeat([], 3, 'worker-b')])
    expect(workers.map(({ heartbeat: { worker, sentAt } }) => [worker, sentAt])).toEqual([
      ['worker-a', '2026-01-01T00:00:05.000Z'],
      ['worker-b', '2026-01-01T00:00:03.000Z'],
    ])
  })
})

describe('reading a message', () => {
  it.each([
    ['a type that is not known', 'blockmill.task.v9', '{}', 'blockmill.task.v9'],
    ['no type', undefined, '{}', 'undefined'],
    ['what is not JSON', 'blockmill.event.v1', '{', 'not safe JSON'],
    ['a body that does not fit', 'blockmill.task.v1', '{"v":1}', 'task message'],
    ['a dangerous key', 'blockmill.task.v1', '{"__proto__":{"v":1}}', 'not safe JSON'],
  ])('refuses %s', (_, type, body, why) => {
    expect(() => messageRecords(type, Buffer.from(body))).toThrow(
      expect.objectContaining({ code: 'MESSAGE_INVALID', message: expect.stringContaining(why) }),
    )
  })

  it('refuses a time that is none', () => {
    const { type, body } = eventMessage([{ ...succeeded(1), at: 'yesterday' }])
    expect(() => messageRecords(type, body)).toThrow(/"yesterday" is no time/)
  })

  it('takes ids in capitals for the same tasks', () => {
    const event = succeeded(1)
    const capitals = eventMessage([{ ...event, taskId: event.taskId.toUpperCase() }])
    expect(only([capitals, taskMessage([1])])?.id).toBe(idOfBlock(1))
  })
})
