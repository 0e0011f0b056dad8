import { defineTask } from '@blockmill/core'
import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { delivery, item, message, registry } from '../../test/messages.ts'
import { createIntake, UNKNOWN_TASK_HEADER } from './intake.ts'

const NOW = Date.parse('2026-01-01T00:00:00.000Z')
const tasks = registry(
  defineTask({ name: 'noop', run: () => undefined }),
  defineTask({ name: 'anywhere', chainKind: 'any', run: () => undefined }),
  defineTask({ name: 'typed', schema: Type.Object({ netuid: Type.Integer() }), run: () => undefined }),
)

const options = { registry: tasks, smallestDelayMs: 1_000, now: () => NOW }
const admit = createIntake({ ...options, chain: { id: 'dev', kind: 'substrate' } })

/** A sound message as text, with changes that its type forbids. */
function body(changes: Record<string, unknown>): Buffer {
  return Buffer.from(JSON.stringify({ ...message(), ...changes }))
}

describe('what cannot be tried', () => {
  it.each([
    ['not JSON', Buffer.from('{"v":1,'), /not safe JSON/],
    ['empty', Buffer.alloc(0), /not safe JSON/],
    ['of another version', body({ v: 2 }), /\/v /],
    ['without items', body({ items: [] }), /\/items /],
    ['for a queue with dots', body({ queue: 'a.b' }), /\/queue /],
    ['from attempt 0', body({ attempt: 0 }), /\/attempt /],
    ['for a day that does not exist', body({ scheduledAt: '2026-13-01T00:00:00Z' }), /\/scheduledAt /],
    ['with a __proto__ key', Buffer.from('{"v":1,"items":[{"args":{"__proto__":{"a":1}}}]}'), /forbidden prototype/],
    ['larger than a megabyte', Buffer.alloc(20 * 1024 * 1024, 'x'), /20971520 bytes exceeds the limit of 1048576/],
  ])('is a message that is %s, and the text says why', (_, bytes, error) => {
    expect(admit(delivery(bytes))).toMatchObject({
      type: 'dead',
      reason: 'invalid_message',
      error: expect.stringMatching(error) as string,
    })
  })

  it('is a task that neither this worker knows nor any that it waited for', () => {
    const waited = { headers: { [UNKNOWN_TASK_HEADER]: 5 } }
    expect(admit(delivery(message({ task: 'gone' }), waited))).toMatchObject({
      type: 'dead',
      reason: 'unknown_task',
      error: expect.stringContaining("'gone'") as string,
    })
  })

  it('is a task of another chain, unless the worker has none', () => {
    const other = message({ chain: 'polkadot' })
    expect(admit(delivery(other))).toMatchObject({ type: 'dead', reason: 'unknown_chain' })
    const chainless = createIntake({ ...options, chain: undefined })
    expect(chainless(delivery(other)).type).toBe('run')
  })

  it('is a task for another kind of chain', () => {
    const evm = createIntake({ ...options, chain: { id: 'dev', kind: 'evm' } })
    expect(evm(delivery(message()))).toMatchObject({
      type: 'dead',
      reason: 'unknown_chain',
      error: "Task 'noop' is for chains of the kind substrate, but 'dev' is one of the kind evm.",
    })
    expect(evm(delivery(message({ task: 'anywhere' }))).type).toBe('run')
  })

  it('is a task whose arguments do not fit its schema', () => {
    const unfit = message({ task: 'typed', items: [item(1, { netuid: 'one' })] })
    expect(admit(delivery(unfit))).toMatchObject({
      type: 'dead',
      reason: 'invalid_args',
      error: expect.stringMatching(/args\.netuid/) as string,
    })
  })
})

it('refuses arguments that are nested too deeply', () => {
  const depth = 100_000
  const nested = JSON.stringify(message()).replace('"args":{}', `"args":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  expect(admit(delivery(Buffer.from(nested)))).toMatchObject({ type: 'dead' })
})

it('runs the sound items of a chunk and refuses the others as a message of their own', () => {
  const [good, bad] = [item(1, { netuid: 1 }), item(2, { netuid: null })]
  const admission = admit(delivery(message({ task: 'typed', items: [good, bad] })))
  expect(admission).toMatchObject({
    type: 'run',
    unit: { items: [good], unsettled: 1 },
    refused: { message: { items: [bad] }, error: expect.stringContaining(bad.id) as string },
  })
})

describe('a message before its time', () => {
  const admitAt = (notBefore: string) => admit(delivery(message({ notBefore })))

  it('is sent round again for what remains of its delay', () => {
    expect(admitAt('2026-01-01T00:00:01.001Z')).toMatchObject({ type: 'early', remainingMs: 1_001 })
    expect(admitAt('2026-01-01T00:00:00.001Z')).toMatchObject({ type: 'early', remainingMs: 1 })
  })

  it('runs as soon as its time has come, and not before', () => {
    expect(admitAt('2026-01-01T00:00:00.000Z').type).toBe('run')
    expect(admitAt('2025-12-31T23:00:00.000Z').type).toBe('run')
  })

  it('has waited since the end of its delay, not since it was scheduled', () => {
    const { unit } = admitAt('2025-12-31T23:00:00.000Z') as { unit: { dueAtMs: number } }
    expect(unit.dueAtMs).toBe(Date.parse('2025-12-31T23:00:00.000Z'))
  })
})

describe('a task that the worker does not know', () => {
  const admitAfter = (waits: unknown) =>
    admit(delivery(message({ task: 'gone' }), { headers: { [UNKNOWN_TASK_HEADER]: waits } }))

  it('waits five times, longer each time, for a worker that knows it', () => {
    const waits = [undefined, 1, 2, 3, 4].map(admitAfter)
    expect(waits).toMatchObject([
      { type: 'unknown', waits: 1, waitMs: 1_000 },
      { type: 'unknown', waits: 2, waitMs: 5_000 },
      { type: 'unknown', waits: 3, waitMs: 15_000 },
      { type: 'unknown', waits: 4, waitMs: 60_000 },
      { type: 'unknown', waits: 5, waitMs: 300_000 },
    ])
    expect(admitAfter(5).type).toBe('dead')
  })

  it('waits from the start when the count in its header is none', () => {
    for (const count of ['5', -1, Number.NaN, null]) expect(admitAfter(count)).toMatchObject({ waits: 1 })
  })
})
