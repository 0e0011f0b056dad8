import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { RetryableError } from '../errors/blockmill-error.ts'
import { parseBlockHash, parseHeader, parseTimestamp } from './substrate-rpc.ts'

const HASH = `0x${'1a'.repeat(32)}`

describe('parseHeader', () => {
  it.each([
    ['0x0', 0],
    ['0x2a', 42],
    ['0x0000002a', 42],
    ['0x1fffffffffffff', Number.MAX_SAFE_INTEGER],
  ])('reads block number %s as %d', (number, expected) => {
    expect(parseHeader({ number, parentHash: HASH }, 'h')).toEqual({ number: expected, hash: 'h', parentHash: HASH })
  })

  it.each([
    [null],
    ['0x2a'],
    [{ number: '0x2a' }],
    [{ number: 42, parentHash: HASH }],
    [{ number: '', parentHash: undefined }],
    [{ number: '-0x1', parentHash: HASH }],
    [{ number: '0x20000000000000', parentHash: HASH }],
    [{ number: '0x2a', parentHash: '0x1a' }],
  ])('refuses %j', (answer) => {
    expect(() => parseHeader(answer, 'h')).toThrow(RetryableError)
  })
})

describe('parseTimestamp', () => {
  it('reads milliseconds in the order in which the runtime stores their bytes', () => {
    expect(parseTimestamp('0x00fcd1c38c010000')).toEqual(new Date(0x018c_c3d1_fc00))
  })

  it('reads back every time that a date can hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8.64e15 }), (ms) => {
        const bytes = Buffer.alloc(8)
        bytes.writeBigUInt64LE(BigInt(ms))
        expect(parseTimestamp(`0x${bytes.toString('hex')}`)?.getTime()).toBe(ms)
      }),
    )
  })

  it('is undefined on a chain that keeps none, and refuses anything else', () => {
    expect(parseTimestamp(null)).toBeUndefined()
    for (const value of ['0x', '0x00', 12, `0x${'00'.repeat(9)}`, `0x${'ff'.repeat(8)}`])
      expect(() => parseTimestamp(value)).toThrow(RetryableError)
  })
})

describe('parseBlockHash', () => {
  it('is undefined for the null of a block that does not exist yet', () => {
    expect(parseBlockHash(null)).toBeUndefined()
    expect(() => parseBlockHash(undefined)).toThrow(RetryableError)
  })
})
