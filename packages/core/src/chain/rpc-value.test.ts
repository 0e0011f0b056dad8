import { describe, expect, it } from 'vitest'

import { parseHash } from './rpc-value.ts'

const HASH = `0x${'1a'.repeat(32)}`

describe('parseHash', () => {
  it('takes 32 bytes in hex and nothing else', () => {
    expect(parseHash(HASH)).toBe(HASH)
    for (const value of [null, '', '0x', HASH.slice(0, -1), `${HASH}00`, HASH.slice(2), 7, [HASH]])
      expect(() => parseHash(value)).toThrow(/not a block hash/)
  })
})
