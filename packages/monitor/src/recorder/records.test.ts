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

/** That a run was lost shows only when the run is told of before the next: it depends on order. */
function withoutLost({ attempts, ...records }: Records): Records {
  return { ...records, attempts: attempts.filter(({ outcome }) => outcome !== 'lost') }
}

describe('folding a batch', () => {
  it('gives the same rows for every order, repetition and split of the same messages', () => {
    fc.assert(
      fc.property(
        anyDelivery.chain(({ messages, delivered }) =>
          fc.record({ messages: fc.constant(messages), parts: anySplit(delivered) }),
        ),
        ({ messages, parts }) => {
          expect(withoutLost(foldBatch(parts.map(fold)))).toEqual(withoutLost(fold(messages)))
        },
      ),
      { numRuns: 300 },
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

  it('tells the arguments of each task from those of the one before', () => {
    const withArgs = (block: number, netuid: number) =>
      taskMessage([block], { items: [{ id: idOfBlock(block), block: { number: block }, args: { netuid } }] })
    const { tasks } = fold([withArgs(1, 2), withArgs(2, 2), withArgs(3, 1), withArgs(4, 2)])
    const [, two, one, again] = tasks.map(({ unit }) => unit)
    expect([two?.args, one?.args, again?.args]).toEqual(['{"netuid":2}', '{"netuid":1}', '{"netuid":2}'])
    expect(again?.argsHash).toBe(two?.argsHash)
    expect(one?.argsHash).not.toBe(two?.argsHash)
  })

  it('makes a row of each task of a chunk, sorted by id', () => {
    const { tasks } = fold([taskMessage([3, 1, 2])])
    expect(tasks.map(({ block }) => block)).toEqual([1, 2, 3])
  })

  it('keeps the first scheduling when a task is scheduled again', () => {
    const again = taskMessage([1], { scheduledAt: '2026-01-01T00:00:09.000Z', cause: 'lookback' })
    expect(only([again, taskMessage([1])])?.schedule).toMatchObject({ cause: 'live' })
  })

  it('shows a task in the queue that it was moved to last, and leaves how far it has come to others', () => {
    const moved = (movedAt: number, queue: string) => taskMessage([1], { movedAt, queue, attempt: 2, postpones: 1 })
    const retrying = eventMessage([
      {
        type: 'retrying',
        ...eventBase(1),
        startedAt: '2026-01-01T00:00:01.000Z',
        error: { name: 'Error', message: 'no', classes: ['Error'] },
        delayMs: 1_000,
        nextAttemptAt: '2026-01-01T00:00:03.000Z',
      },
    ])
    const told = [taskMessage([1]), retrying, moved(7, 'slow'), moved(9, 'slower')]
    for (const messages of [told, told.toReversed()]) {
      expect(only(messages)).toMatchObject({
        schedule: { queue: 'slower' },
        state: { state: 'retrying', attempt: 1, postpones: 0 },
      })
    }
    const replay = taskMessage([1], { generation: 10, scheduledAt: '2026-01-02T00:00:00.000Z' })
    expect(only([replay, ...told])?.schedule).toMatchObject({ queue: 'default', generation: 10 })
  })

  it('starts afresh when a task is replayed, whatever the earlier generation comes to', () => {
    const replay = taskMessage([1], { generation: 5, cause: 'replay', scheduledAt: '2026-01-02T00:00:00.000Z' })
    const task = only([replay, eventMessage([succeeded(1)]), taskMessage([1])])
    expect(task).toMatchObject({ state: { state: 'scheduled', generation: 5 }, schedule: { cause: 'replay' } })
  })

  it('keeps how a task was scheduled when its block is replaced, in whatever order that is told', () => {
    const orphaned = eventMessage([{ type: 'orphaned', ...eventBase(1), generation: 5, reason: 'replaced' }])
    const told = [taskMessage([1]), eventMessage([succeeded(1)]), orphaned]
    for (const messages of [told, told.toReversed()]) {
      expect(only(messages)).toMatchObject({
        state: { state: 'orphaned', generation: 5, reason: 'replaced', result: null },
        schedule: { queue: 'default', cause: 'live' },
      })
    }
    const again = taskMessage([1], { generation: 7, queue: 'slow', scheduledAt: '2026-01-02T00:00:00.000Z' })
    expect(only([again, ...told])).toMatchObject({
      state: { state: 'scheduled', generation: 7 },
      schedule: { queue: 'slow' },
    })
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

  it('keeps each run that was lost with its worker, however the attempt went on', () => {
    const success = { ...succeeded(1), startedAt: '2026-01-01T00:00:40.000Z', at: '2026-01-01T00:00:41.000Z' }
    const { tasks, attempts } = fold([
      heartbeat([1], 1, 'worker-a'),
      heartbeat([1], 20, 'worker-b'),
      eventMessage([success], 'worker-c'),
      heartbeat([1], 20, 'worker-b'),
    ])
    expect(tasks[0]?.state).toMatchObject({ state: 'succeeded', worker: 'worker-c' })
    expect(
      attempts.map(({ outcome, worker, finishedAt }) => [outcome, worker, new Date(finishedAt).getSeconds()]),
    ).toEqual([
      ['lost', 'worker-a', 20],
      ['lost', 'worker-b', 40],
    ])
  })

  it('calls no run lost that ended, or that a later attempt follows', () => {
    const { attempts } = fold([
      heartbeat([1], 1, 'worker-a'),
      eventMessage([succeeded(1)], 'worker-a'),
      heartbeat([2], 1, 'worker-a'),
      eventMessage([{ ...succeeded(2, { attempt: 2 }), startedAt: '2026-01-01T00:00:40.000Z' }], 'worker-b'),
    ])
    expect(attempts).toEqual([])
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
