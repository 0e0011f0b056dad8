import { type AnyTaskDefinition, defineTask } from '@blockmill/core'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { item, unit } from '../../test/messages.ts'
import type { UnitBuffer } from '../consume/unit-buffer.ts'
import type { WorkUnit } from '../consume/work-unit.ts'
import { createLimitedBuffer, type LimitSet } from './limited-buffer.ts'
import { createWorkerLimiter } from './worker-limiter.ts'

const limited = defineTask({ name: 'limited', run: () => undefined })
const free = defineTask({ name: 'free', run: () => undefined })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setUp(limit: { limit: number; perMs: number }, { queueLimit }: { queueLimit?: typeof limit } = {}) {
  const clock = (): number => performance.now()
  const opened = vi.fn<() => void>()
  const task = createWorkerLimiter({ limit, clock, onOpen: opened })
  const queue = queueLimit && createWorkerLimiter({ limit: queueLimit, clock, onOpen: opened })
  const both: LimitSet = { limiters: queue === undefined ? [task] : [queue, task], patienceMs: 1_000 }
  const ofQueue = queue && { limiters: [queue], patienceMs: 60_000 }
  const setAside: { unit: WorkUnit; waitMs: number }[] = []
  const heldBack: WorkUnit[] = []
  const buffer = createLimitedBuffer({
    limitsOf: ({ definition }) => (definition.name === 'limited' ? both : ofQueue),
    freeSlots: () => 10,
    clock,
    onSetAside: (one, waitMs) => setAside.push({ unit: one, waitMs }),
    onHeldBack: (one) => heldBack.push(one),
  })
  return { buffer, setAside, heldBack, opened }
}

function takeAll(buffer: UnitBuffer): WorkUnit[] {
  const taken: WorkUnit[] = []
  for (let next = buffer.take(); next !== undefined; next = buffer.take()) taken.push(next.unit)
  return taken
}

const pushed = (buffer: UnitBuffer, definition: AnyTaskDefinition, changes = {}): WorkUnit => {
  const one = unit(definition, changes)
  buffer.push(one)
  return one
}

describe('a task over its limit', () => {
  it('stands in nobody’s way, however urgent it is, and goes first when it may', async () => {
    const { buffer, opened } = setUp({ limit: 1, perMs: 100 })
    const urgent = [1, 2].map(() => pushed(buffer, limited, { lane: 'high', priority: 0 }))
    const patient = [1, 2].map(() => pushed(buffer, free))
    expect(takeAll(buffer)).toEqual([urgent[0], ...patient])

    await vi.advanceTimersByTimeAsync(99)
    expect(opened).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(opened).toHaveBeenCalledOnce()
    const last = pushed(buffer, free)
    expect(takeAll(buffer)).toEqual([urgent[1], last])
  })

  it('is counted as held back once', () => {
    const { buffer, heldBack } = setUp({ limit: 1, perMs: 100 })
    const [, second] = [1, 2, 3].map(() => pushed(buffer, limited))
    for (let look = 0; look < 5; look += 1) takeAll(buffer)
    expect(heldBack).toEqual([second])
  })

  it('is found by a limit on its queue that unlimited tasks have used up as well', async () => {
    const { buffer } = setUp({ limit: 100, perMs: 100 }, { queueLimit: { limit: 2, perMs: 100 } })
    const first = pushed(buffer, free, { priority: 1 })
    const second = pushed(buffer, limited, { priority: 2 })
    const third = pushed(buffer, free, { priority: 3 })
    expect(takeAll(buffer)).toEqual([first, second])
    await vi.advanceTimersByTimeAsync(100)
    expect(takeAll(buffer)).toEqual([third])
  })

  it('takes away no start from a queue limit while its own limit holds it back', () => {
    const { buffer } = setUp({ limit: 1, perMs: 1_000 }, { queueLimit: { limit: 2, perMs: 1_000 } })
    const [first] = [1, 2].map(() => pushed(buffer, limited, { priority: 1 }))
    const other = pushed(buffer, free, { priority: 2 })
    expect(takeAll(buffer)).toEqual([first, other])
  })
})

describe('what cannot start within its patience', () => {
  it('is set aside, the last of the order first, to come back one after the other', () => {
    const { buffer, setAside } = setUp({ limit: 2, perMs: 1_000 })
    const waiting = [1, 2].map(() => pushed(buffer, limited))
    takeAll(buffer)
    const next = [1, 2, 3, 4].map(() => pushed(buffer, limited))
    const urgent = pushed(buffer, limited, { priority: 0 })
    expect(waiting).toHaveLength(2)
    expect(setAside).toEqual([
      { unit: next[2], waitMs: 1_000 },
      { unit: next[3], waitMs: 1_500 },
      { unit: next[1], waitMs: 2_000 },
    ])
    expect(buffer.remove(() => true)).toEqual([urgent, next[0]])
  })

  it('is never more than what comes above the starts of that time', () => {
    const arrivals = fc.array(
      fc.record({ priority: fc.integer({ min: 0, max: 20 }), chunk: fc.integer({ min: 1, max: 4 }) }),
      {
        maxLength: 30,
      },
    )
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 5 }), (all, limit) => {
        const { buffer, setAside } = setUp({ limit, perMs: 1_000 })
        for (const { priority, chunk } of all) {
          pushed(buffer, limited, { priority, items: Array.from({ length: chunk }, (_, number) => item(number)) })
        }
        const kept = buffer.remove(() => true)
        const items = kept.reduce((sum, { items: { length } }) => sum + length, 0)
        // A window that begins now, and one that begins within the patience.
        if (setAside.length > 0) expect(items).toBeGreaterThanOrEqual(2 * limit)
        expect(kept.length + setAside.length).toBe(all.length)
        const worstKept = Math.max(...kept.map(({ message }) => message.priority), 0)
        for (const { unit: one, waitMs } of setAside) {
          expect(one.message.priority).toBeGreaterThanOrEqual(worstKept)
          expect(waitMs).toBeGreaterThanOrEqual(1_000)
        }
      }),
    )
  })

  it('stays longer when only its queue is limited, since nobody else is behind it', () => {
    const { buffer, setAside } = setUp({ limit: 1, perMs: 1_000 }, { queueLimit: { limit: 1, perMs: 1_000 } })
    for (let count = 0; count < 50; count += 1) pushed(buffer, free)
    expect(setAside).toEqual([])
    for (let count = 0; count < 50; count += 1) pushed(buffer, free)
    expect(setAside).toHaveLength(39)
  })

  it('is spread over minutes when it is a flood, and none waits longer', () => {
    const { buffer, setAside } = setUp({ limit: 1, perMs: 1_000 })
    for (let count = 0; count < 2_000; count += 1) pushed(buffer, limited)
    const waits = setAside.map(({ waitMs }) => waitMs)
    expect(Math.max(...waits)).toBeLessThanOrEqual(5 * 60_000)
    const perSecond = Map.groupBy(waits, (waitMs) => Math.floor(waitMs / 1_000))
    expect(Math.max(...[...perSecond.values()].map(({ length }) => length))).toBeLessThan(20)
  })
})
