import * as fc from 'fast-check'
import { snappyUncompress } from 'hyparquet'
import { expect, it } from 'vitest'

import { createSnappyCompressor } from './snappy-compressor.ts'

const compress = createSnappyCompressor()

function restored(bytes: Uint8Array): Uint8Array {
  const output = new Uint8Array(bytes.length)
  snappyUncompress(compress(bytes), output)
  return output
}

it('compresses what an independent reader restores', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(1, 3, 4, 11, 64, 65, 300, 70_000).map((length) => new Uint8Array(length).fill(7)),
    fc.constantFrom('0xa9059cbb', 'transfer', '日本語').map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const bytes = Uint8Array.from(Buffer.concat(pieces))
      expect(Buffer.compare(restored(bytes), bytes)).toBe(0)
    }),
    { numRuns: 100 },
  )
})

it('restores literals of every length of their length, and makes repetition small', () => {
  let seed = 1
  const noise = Uint8Array.from({ length: 70_000 }, () => (seed = Math.imul(seed, 1_103_515_245) + 12_345) >>> 24)
  for (const length of [0, 1, 59, 60, 61, 256, 257, 65_536, 65_537, 70_000]) {
    const bytes = noise.slice(0, length)
    expect(Buffer.compare(restored(bytes), bytes)).toBe(0)
  }
  expect(compress(new Uint8Array(64_000)).length).toBeLessThan(4_000)
})
