import { describe, expect, it } from 'vitest'

import { taskMessageCodec } from './codec.ts'
import { lostMessage, type RecordedTask, retryMessage } from './recorded-message.ts'

const ID = '00000000-0007-8123-8123-123456789abc'
const SCHEDULED_AT = new Date('2026-01-01T00:00:00.000Z')
const LATER = new Date('2026-01-01T00:05:00.000Z')

const task: RecordedTask = {
  id: ID,
  chain: 'dev',
  name: 'a',
  queue: 'slow',
  lane: 'low',
  priority: 12,
  blockNumber: 7,
  blockHash: null,
  rangeFrom: null,
  rangeTo: null,
  args: { netuid: 3 },
  argsHash: 'hash',
  cause: 'backfill',
  status: 'scheduled',
  generation: 0,
  attempt: 2,
  postpones: 1,
  maxAttempts: 5,
  scheduledAt: SCHEDULED_AT,
  notBefore: null,
  expiresAt: null,
  nextAttemptAt: null,
  rootId: null,
  parentId: null,
}

const message = {
  v: 1,
  chain: 'dev',
  task: 'a',
  queue: 'slow',
  lane: 'low',
  priority: 12,
  attempt: 2,
  postpones: 1,
  maxAttempts: 5,
  scheduledAt: SCHEDULED_AT.toISOString(),
  cause: 'backfill',
  items: [{ id: ID, block: { number: 7 }, args: { netuid: 3 } }],
}

describe('a lost message', () => {
  it('is the message that scheduled the task, as far as that is recorded', () => {
    expect(lostMessage(task)).toEqual(message)
  })

  it('carries all that the record knows', () => {
    const ids = { rootId: ID.replace('7', '8'), parentId: ID.replace('7', '9') }
    const known = { ...task, ...ids, blockHash: '0xab', generation: 1_000, notBefore: LATER, expiresAt: LATER }
    const lost = lostMessage(known)
    expect(lost).toEqual({
      ...message,
      ...ids,
      generation: 1_000,
      notBefore: LATER.toISOString(),
      expiresAt: LATER.toISOString(),
      items: [{ id: ID, block: { number: 7, hash: '0xab' }, args: { netuid: 3 } }],
    })
    expect(lost && taskMessageCodec.decode(taskMessageCodec.encode(lost))).toEqual(lost)
  })

  it('is for a range, or for no block, where the task is', () => {
    const batch = lostMessage({ ...task, blockNumber: null, rangeFrom: 10, rangeTo: 20 })
    expect(batch?.items).toEqual([{ id: ID, range: { from: 10, to: 20 }, args: { netuid: 3 } }])
    expect(lostMessage({ ...task, blockNumber: null })?.items).toEqual([{ id: ID, args: { netuid: 3 } }])
  })

  it.each([
    ['scheduled', { attempt: 2, postpones: 1 }],
    ['running', { attempt: 2, postpones: 1 }],
    ['retrying', { attempt: 3, postpones: 1, notBefore: LATER.toISOString() }],
    ['postponed', { attempt: 2, postpones: 2, notBefore: LATER.toISOString() }],
  ] as const)('has the attempt and the postpones that a task that is %s waits with', (status, expected) => {
    expect(lostMessage({ ...task, status, nextAttemptAt: LATER })).toEqual({ ...message, ...expected })
  })

  it.each(['queue', 'lane', 'priority', 'args', 'cause', 'maxAttempts', 'scheduledAt'] as const)(
    'cannot be made where the record lacks the %s',
    (column) => {
      expect(lostMessage({ ...task, [column]: null })).toBeUndefined()
    },
  )
})

describe('the message of a retry', () => {
  const nowMs = LATER.getTime()

  it('is the same task from its first attempt on, as another generation, without its deadlines', () => {
    const ended = {
      ...task,
      status: 'failed' as const,
      generation: 5,
      notBefore: SCHEDULED_AT,
      expiresAt: SCHEDULED_AT,
    }
    const retry = retryMessage(ended, { generation: 9, nowMs })
    expect(retry).toEqual({
      ...message,
      attempt: 1,
      postpones: 0,
      generation: 9,
      cause: 'replay',
      scheduledAt: LATER.toISOString(),
    })
    expect(retry && taskMessageCodec.decode(taskMessageCodec.encode(retry))).toEqual(retry)
  })

  it.each(['queue', 'lane', 'priority', 'args', 'maxAttempts'] as const)(
    'cannot be made where the record lacks the %s',
    (column) => {
      expect(retryMessage({ ...task, [column]: null }, { generation: 9, nowMs })).toBeUndefined()
    },
  )
})
