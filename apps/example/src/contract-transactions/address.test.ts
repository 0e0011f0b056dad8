import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { addressProblem, checksumAddress } from './address.ts'

/** From EIP-55. */
const EXAMPLES = [
  '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
  '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB',
  '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb',
  '0x52908400098527886E0F7030069857D2E4169EE7',
  '0xde709f2102306220921060314715629080e2fb77',
]

describe('addressProblem', () => {
  it('finds nothing wrong with addresses in one case, or with the checksum of EIP-55', () => {
    for (const example of EXAMPLES) {
      expect(addressProblem(example)).toBeUndefined()
      expect(addressProblem(example.toLowerCase())).toBeUndefined()
      expect(addressProblem(`0x${example.slice(2).toUpperCase()}`)).toBeUndefined()
    }
  })

  it('names what is not hex, or not 20 bytes', () => {
    for (const wrong of ['', '0x', 'vitalik.eth', `0x${'0'.repeat(39)}`, `0x${'0'.repeat(41)}`, `0x${'g'.repeat(40)}`])
      expect(addressProblem(wrong)).toContain(`'${wrong}' is not an address`)
  })

  it('finds a letter in the wrong case, and says how the address should be', () => {
    const [right = ''] = EXAMPLES
    const wrong = right.replace('Aeb6', 'aeb6')
    expect(addressProblem(wrong)).toContain(`'${wrong}' has a wrong checksum`)
    expect(addressProblem(wrong)).toContain(right)
  })

  it('accepts every address as it writes it', () => {
    const addresses = fc
      .uint8Array({ minLength: 20, maxLength: 20 })
      .map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`)
    fc.assert(
      fc.property(addresses, (address) => {
        const written = checksumAddress(address)
        expect(written.toLowerCase()).toBe(address)
        expect(addressProblem(written)).toBeUndefined()
      }),
    )
  })
})
