import { describe, expect, it } from 'vitest'

import { nameBlocks } from './backfill-notes.ts'

describe('nameBlocks', () => {
  it('names blocks and ranges, of many the first', () => {
    expect(nameBlocks([{ from: 7, to: 7 }])).toBe('block 7')
    expect(
      nameBlocks([
        { from: 7, to: 7 },
        { from: 9, to: 12 },
      ]),
    ).toBe('blocks 7, 9–12')
    const many = Array.from({ length: 25 }, (_, index) => ({ from: index * 2, to: index * 2 }))
    expect(nameBlocks(many)).toMatch(/^blocks 0, 2, .*, 38 and more$/)
  })
})
