import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRecentKeys } from './recent-keys.ts'

describe('recent keys', () => {
  it('are the last that were added, and no others', () => {
    const key = fc.integer({ min: 0, max: 12 }).map((number) => `018f-${number}/1/0/1/0`)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(key, { maxLength: 60 }), (capacity, keys) => {
        const recent = createRecentKeys(capacity)
        let model: string[] = []
        for (const added of keys) {
          recent.add(added)
          // To add one again does not make it younger.
          if (!model.includes(added)) model = [...model, added].slice(-capacity)
          for (const any of new Set(keys)) expect(recent.has(any)).toBe(model.includes(any))
        }
      }),
    )
  })

  it('are told apart by any part of the key', () => {
    const capacity = 10_000
    const recent = createRecentKeys(capacity)
    const keys = (from: number) =>
      Array.from({ length: 100_000 }, (_, index) => `${(from + index).toString(16).padStart(12, '0')}/1/0/1/0`)
    const added = keys(0)
    for (const key of added) recent.add(key)
    expect(added.map((key) => recent.has(key))).toEqual(added.map((_, index) => index >= added.length - capacity))
    expect(keys(100_000).some((key) => recent.has(key))).toBe(false)
  })
})
