import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { createTextArena } from './text-arena.ts'

it('gives back every text, whatever its size, also after others were cleared', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.nat(50_000).map((length) => '€'.repeat(length)),
  )
  const arena = createTextArena()
  fc.assert(
    fc.property(fc.array(text, { maxLength: 10 }), (texts) => {
      arena.clear()
      const indexes = texts.map((one) => arena.add(one))
      expect(indexes.map((index) => Buffer.from(arena.at(index)).toString())).toEqual(texts)
      expect(arena.bytes).toBe(Buffer.byteLength(texts.join('')))
    }),
    { numRuns: 50 },
  )
})
