import { TASK_MESSAGE_TYPE, type TaskMessage, taskMessageCodec } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { readReplay, replayOf } from './replay-message.ts'

const ids = ['00000000-0001-8000-8000-000000000001', '00000000-0002-8000-8000-000000000002'] as const
const message: TaskMessage = {
  v: 1,
  chain: 'dev',
  task: 'a-task',
  queue: 'default',
  lane: 'low',
  priority: 20,
  attempt: 3,
  postpones: 2,
  maxAttempts: 3,
  scheduledAt: '2026-01-01T00:00:00.000Z',
  notBefore: '2026-01-01T00:01:00.000Z',
  expiresAt: '2026-01-01T01:00:00.000Z',
  cause: 'backfill',
  items: ids.map((id) => ({ id, args: {} })),
  checkpoint: { page: 7 },
}
const letter = { type: TASK_MESSAGE_TYPE, queue: 'blockmill.work.default.low', body: taskMessageCodec.encode(message) }
const nowMs = Date.UTC(2026, 1, 1)

describe('what a replay publishes', () => {
  it('is the same tasks from the first attempt on, as a new generation without old deadlines', () => {
    expect(readReplay(letter, 'blockmill.monitor')).toEqual({ type: 'message', message })
    const { notBefore: _notBefore, expiresAt: _expiresAt, ...rest } = message
    expect(replayOf(message, { recorded: [], nowMs })).toEqual({
      type: 'message',
      message: {
        ...rest,
        generation: nowMs,
        attempt: 1,
        postpones: 0,
        scheduledAt: '2026-02-01T00:00:00.000Z',
        cause: 'replay',
      },
    })
  })

  it('leaves out tasks that have succeeded, or were run again since', () => {
    const replay = replayOf(message, {
      recorded: [
        { id: ids[0], status: 'succeeded', generation: 0 },
        { id: ids[1], status: 'dead', generation: 0 },
      ],
      nowMs,
    })
    expect(replay).toMatchObject({ type: 'message', message: { items: [{ id: ids[1] }] } })
    const recorded = [
      { id: ids[0], status: 'succeeded', generation: 0 },
      { id: ids[1], status: 'running', generation: 5 },
    ]
    expect(replayOf(message, { recorded, nowMs })).toMatchObject({ type: 'refused' })
  })

  it('is a later generation than the one that died, also when the clock is behind', () => {
    expect(replayOf({ ...message, generation: nowMs + 5 }, { recorded: [], nowMs })).toMatchObject({
      message: { generation: nowMs + 6 },
    })
  })

  it.each([
    ['a body that is no task message', { ...letter, body: Buffer.from('{"v":1}') }, /cannot be read/],
    ['a body that is no text', { ...letter, body: Buffer.from([0xff, 0x00]) }, /cannot be read/],
    ['a report of a worker', { ...letter, type: 'blockmill.events.v1' }, /type is|report/],
    ['a message without a type', { ...letter, type: null }, /type is null/],
    ['a message whose record alone failed', { ...letter, queue: 'blockmill.monitor' }, /only its record failed/],
  ])('is nothing for %s', (_what, poison, why) => {
    expect(readReplay(poison, 'blockmill.monitor')).toEqual({ type: 'refused', why: expect.stringMatching(why) })
  })
})
