import { defineTask, type Json, taskId, taskMessageCodec } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { planMessages, type PlanRequest } from './plan-messages.ts'

const run = (): Json => null
const snapshot = defineTask<{ netuid: number }>({
  name: 'snapshot',
  args: [{ netuid: 1 }],
  queue: 'high-priority',
  backfill: { queue: 'slow', chunk: 3 },
  run,
})

const request = (change: Partial<PlanRequest> = {}): PlanRequest => ({
  chain: 'dev',
  definition: snapshot,
  args: { netuid: 1 },
  blocks: [{ number: 7 }, { number: 8 }],
  cause: 'live',
  scheduledAt: new Date('2026-01-02T03:04:05.678Z'),
  defaultMaxAttempts: 3,
  ...change,
})

describe('planMessages', () => {
  it('makes one message for each live block', () => {
    const [first, ...others] = planMessages(request())
    expect(others).toHaveLength(1)
    expect(first).toEqual({
      v: 1,
      chain: 'dev',
      task: 'snapshot',
      queue: 'high-priority',
      lane: 'normal',
      priority: 10,
      attempt: 1,
      postpones: 0,
      maxAttempts: 3,
      scheduledAt: '2026-01-02T03:04:05.678Z',
      cause: 'live',
      items: [
        {
          id: taskId({ chain: 'dev', task: 'snapshot', args: { netuid: 1 }, block: { number: 7 } }),
          block: { number: 7 },
          args: { netuid: 1 },
        },
      ],
    })
  })

  it('makes messages that workers accept', () => {
    for (const cause of ['live', 'lookback'] as const) {
      const [message] = planMessages(request({ cause }))
      expect(message && taskMessageCodec.decode(taskMessageCodec.encode(message))).toEqual(message)
    }
  })

  it('sends blocks looked back at to the back-fill queue, on the low lane, in chunks', () => {
    const blocks = [1, 2, 3, 4, 5, 6, 7].map((number) => ({ number }))
    const messages = planMessages(request({ cause: 'lookback', blocks }))
    expect(messages.map(({ queue, lane, items }) => [queue, lane, items.map(({ block }) => block?.number)])).toEqual([
      ['slow', 'low', [1, 2, 3]],
      ['slow', 'low', [4, 5, 6]],
      ['slow', 'low', [7]],
    ])
  })

  it('keeps a chunk of large arguments below the size limit of a message', () => {
    const definition = defineTask<{ text: string }>({ name: 'large', backfill: { chunk: 500 }, run })
    const blocks = Array.from({ length: 500 }, (_, number) => ({ number }))
    const args = { text: 'ü'.repeat(30_000) }
    const messages = planMessages(request({ definition, cause: 'lookback', blocks, args }))
    expect(() => messages.map((message) => taskMessageCodec.encode(message))).not.toThrow()
    expect(messages.flatMap(({ items }) => items.map(({ block }) => block))).toEqual(blocks)
  })

  it.each([
    [0, 'high'],
    [9, 'high'],
    [10, 'normal'],
    [11, 'low'],
  ])('puts a live task of priority %i on the %s lane', (priority, lane) => {
    const definition = defineTask({ name: 'urgent', priority, run })
    expect(planMessages(request({ definition }))[0]).toMatchObject({ priority, lane })
  })

  it('lets the definition say how many attempts there are', () => {
    const definition = defineTask({ name: 'patient', retry: { maxAttempts: 12 }, run })
    expect(planMessages(request({ definition }))[0]?.maxAttempts).toBe(12)
  })

  it('makes the hash part of the identity on the latest head only', () => {
    const block = { number: 7, hash: '0xaa' }
    const latest = defineTask({ name: 'snapshot', head: 'latest', run })
    const [onLatest] = planMessages(request({ definition: latest, blocks: [block] }))
    const [onFinalized] = planMessages(request({ blocks: [block] }))
    expect(onLatest?.items[0]?.block).toEqual(block)
    expect(onFinalized?.items[0]?.block).toEqual({ number: 7 })
    expect(onLatest?.items[0]?.id).not.toBe(onFinalized?.items[0]?.id)
  })

  it('tells which run of a block it is, and puts no two of different runs into one message', () => {
    const blocks = [1, 2, 3, 4].map((number) => ({ number }))
    const generationOf = ({ number }: { number: number }) => (number < 3 ? 0 : 1_700_000_000_000)
    const messages = planMessages(request({ cause: 'lookback', blocks, generationOf }))
    expect(messages.map(({ generation, items }) => [generation, items.map(({ block }) => block?.number)])).toEqual([
      [undefined, [1, 2]],
      [1_700_000_000_000, [3, 4]],
    ])
    const ids = planMessages(request({ cause: 'lookback', blocks })).flatMap(({ items }) => items.map(({ id }) => id))
    expect(messages.flatMap(({ items }) => items.map(({ id }) => id))).toEqual(ids)
  })

  it('plans the same ids again', () => {
    const ids = (at: string) =>
      planMessages(request({ scheduledAt: new Date(at) })).flatMap(({ items }) => items.map(({ id }) => id))
    expect(ids('2026-01-01T00:00:00Z')).toEqual(ids('2027-01-01T00:00:00Z'))
  })
})
