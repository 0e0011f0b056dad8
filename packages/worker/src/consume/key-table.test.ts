import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyTable } from './key-table.ts'

const step = fc.record({
  type: fc.constantFrom('set' as const, 'delete' as const),
  key: fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom('__proto__', 'constructor', '')),
})

describe('a key table', () => {
  it('behaves like a map, however many keys share a bucket', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 60 }), (buckets, steps) => {
        const table = createKeyTable<number>(buckets)
        const model = new Map<string, number>()
        for (const [index, { type, key }] of steps.entries()) {
          if (type === 'delete') expect(table.delete(key)).toBe(model.delete(key))
          else {
            table.set(key, index)
            model.set(key, index)
          }
          expect(table.size).toBe(model.size)
          for (const { key: any } of steps) expect(table.get(any)).toBe(model.get(any))
        }
      }),
    )
  })
})
