import { argsProblems } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { assertTransactionRequest, TransactionArgs, type TransactionRequest } from './transaction-request.ts'

const sound: TransactionRequest = { address: `0x${'ab'.repeat(20)}`, chainId: 1, from: 0, to: 10 }

describe('assertTransactionRequest', () => {
  it('accepts a sound request', () => {
    expect(() => assertTransactionRequest(sound)).not.toThrow()
    expect(() => assertTransactionRequest({ ...sound, from: 10, batchSize: 1, provider: 'rpc' })).not.toThrow()
  })

  it.each([
    [{ from: 11 }, 'from is 11 and to is 10'],
    [{ from: -1 }, 'from is -1'],
    [{ to: 1.5 }, 'to is 1.5'],
    [{ to: Number.NaN }, 'to is NaN'],
    [{ batchSize: 0 }, 'batchSize is 0'],
    [{ batchSize: -5 }, 'batchSize is -5'],
    [{ chainId: 0 }, 'chainId is 0'],
    [{ chainId: 1.5 }, 'chainId is 1.5'],
    [{ address: 'vitalik.eth' }, "'vitalik.eth' is not an address"],
    [{ address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed' }, 'wrong checksum'],
    [{ provider: 'infura' as 'rpc' }, "provider is 'infura'; it must be one of etherscan, rpc"],
  ])('refuses %o', (wrong, text) => {
    expect(() => assertTransactionRequest({ ...sound, ...wrong })).toThrow(text)
  })

  it('names every problem at once', () => {
    const wrong = { address: '0x', chainId: -1, from: 5, to: 4, batchSize: 0 }
    for (const text of ['not an address', 'chainId', 'above the last', 'batchSize'])
      expect(() => assertTransactionRequest(wrong)).toThrow(text)
  })
})

describe('TransactionArgs', () => {
  it('says the same of arguments of a job', () => {
    expect(argsProblems({ address: sound.address, chainId: 1 }, TransactionArgs)).toEqual([])
    expect(argsProblems({ address: sound.address, chainId: 1, provider: 'rpc' }, TransactionArgs)).toEqual([])
    for (const wrong of [
      { chainId: 1 },
      { address: '0x12', chainId: 1 },
      { address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed', chainId: 1 },
      { address: sound.address, chainId: '1' },
      { address: sound.address, chainId: 1, provider: 'infura' },
      { address: sound.address, chainId: 1, adress: 'x' },
    ])
      expect(argsProblems(wrong, TransactionArgs)).not.toEqual([])
    const [problem] = argsProblems({ address: 'vitalik.eth', chainId: 1 }, TransactionArgs)
    expect(problem).toContain("'vitalik.eth' is not an address")
  })
})
