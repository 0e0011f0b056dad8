import { defineTask, LANES } from '@blockmill/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { item, unit } from '../../test/messages.ts'
import { createUnitBuffer } from './unit-buffer.ts'
import { compareUnits, type WorkUnit } from './work-unit.ts'

const noop = defineTask({ name: 'noop', run: () => undefined })

function takeAll(buffer: ReturnType<typeof createUnitBuffer>): WorkUnit[] {
  const taken: WorkUnit[] = []
  for (let next = buffer.take(); next !== undefined; next = buffer.take()) taken.push(next.unit)
  return taken
}

describe('the buffer', () => {
  it('gives the high lane first, then the lower number, then the older task, then the one that arrived first', () => {
    const buffer = createUnitBuffer()
    const older = '2026-01-01T00:00:00.000Z'
    const newer = '2026-01-01T00:00:00.500Z'
    const units = {
      low: unit(noop, { lane: 'low', priority: 1, scheduledAt: older }),
      newerNormal: unit(noop, { lane: 'normal', priority: 10, scheduledAt: newer }),
      normal: unit(noop, { lane: 'normal', priority: 10, scheduledAt: older }),
      laterNormal: unit(noop, { lane: 'normal', priority: 10, scheduledAt: older }),
      high9: unit(noop, { lane: 'high', priority: 9, scheduledAt: older }),
      high0: unit(noop, { lane: 'high', priority: 0, scheduledAt: newer }),
    }
    for (const one of Object.values(units)) buffer.push(one)

    const { high0, high9, normal, laterNormal, newerNormal, low } = units
    expect(takeAll(buffer)).toEqual([high0, high9, normal, laterNormal, newerNormal, low])
    expect(buffer.size).toBe(0)
  })

  it('gives any units in their order, whatever order they came in and whatever was removed in between', () => {
    const units = fc.array(
      fc.record({
        lane: fc.constantFrom(...LANES),
        priority: fc.integer({ min: -5, max: 20 }),
        scheduledAt: fc.integer({ min: 0, max: 5 }).map((second) => `2026-01-01T00:00:0${second}Z`),
        chunk: fc.integer({ min: 1, max: 3 }),
        removed: fc.boolean(),
      }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(units, (wanted) => {
        const buffer = createUnitBuffer()
        const made = wanted.map(({ chunk, removed, ...changes }) => {
          const one = unit(noop, { ...changes, items: Array.from({ length: chunk }, (_, n) => item(n)) })
          return { one, removed }
        })
        for (const { one } of made) buffer.push(one)
        const gone = new Set(made.filter(({ removed }) => removed).map(({ one }) => one))
        expect(new Set(buffer.remove((one) => gone.has(one)))).toEqual(gone)

        const kept = made.map(({ one }) => one).filter((one) => !gone.has(one))
        expect(takeAll(buffer)).toEqual(kept.sort(compareUnits).flatMap((one) => one.items.map(() => one)))
      }),
    )
  })

  it('lets something more urgent in between the items of a chunk', () => {
    const buffer = createUnitBuffer()
    const chunk = unit(noop, { lane: 'low', items: [item(1), item(2), item(3)] })
    const urgent = unit(noop, { lane: 'high', priority: 0, items: [item(9)] })
    buffer.push(chunk)
    const first = buffer.take()
    buffer.push(urgent)

    expect(first?.item.block?.number).toBe(1)
    expect([buffer.take(), buffer.take(), buffer.take()].map((next) => next?.item.block?.number)).toEqual([9, 2, 3])
    expect(buffer.take()).toBeUndefined()
  })
})
