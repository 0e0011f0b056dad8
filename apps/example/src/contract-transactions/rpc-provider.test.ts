import { describe, expect, it } from 'vitest'

import { ProviderError, type ProviderFailure } from './provider-error.ts'
import { createRpcProvider } from './rpc-provider.ts'

const ADDRESS = `0x${'ab'.repeat(20)}`
const HEAD = 200

const hex = (number: number, digits = 1) => `0x${number.toString(16).padStart(digits, '0')}`
const blockOf = (number: number) => ({
  number: hex(number),
  hash: hex(number + 1, 64),
  parentHash: hex(number, 64),
  timestamp: hex(1_000 + number),
  transactions: [],
})

/** A node of an empty chain, whose answers may be others. */
const provide = (
  answer: (method: string, block: number) => unknown = () => undefined,
  blocks = { size: 50, ceiling: 100 },
) => {
  const learnt = { blocks, hasBlockReceipts: true }
  const node = {
    label: 'the node',
    async send(method: string, [which]: readonly unknown[]) {
      const other = answer(method, Number(which))
      if (other !== undefined) return other
      return method === 'eth_blockNumber' ? hex(HEAD) : blockOf(Number(which))
    },
    close: async () => undefined,
  }
  return { provider: createRpcProvider({ node, learnt }), learnt }
}
const query = (from: number, to: number) => ({
  address: ADDRESS,
  range: { from, to },
  whenFull: 'split' as const,
  signal: new AbortController().signal,
  permit: async () => undefined,
})
/** Fails where it is asked for one block. */
const failAt = (at: number, type: ProviderFailure) => (_method: string, block: number) => {
  if (block === at) throw new ProviderError(type, 'the reason')
  return undefined
}

describe('createRpcProvider', () => {
  it('answers with as many blocks as the node takes, and asks for more while it goes well', async () => {
    const { provider, learnt } = provide()
    expect(await provider.read(query(0, HEAD))).toEqual({ rows: [], through: 49 })
    expect(learnt.blocks.size).toBe(55)
    expect(await provider.read(query(50, 60))).toMatchObject({ through: 60 })
  })

  it.each(['refused', 'timed_out'] as const)('asks for half as many at once on %s', async (type) => {
    const { provider, learnt } = provide(failAt(30, type))
    expect(await provider.read(query(0, HEAD))).toMatchObject({ through: 24 })
    // What went well after that counts, too.
    expect(learnt.blocks.size).toBe(28)
    await expect(provider.read(query(30, HEAD))).rejects.toMatchObject({ type })
    expect(learnt.blocks.size).toBe(1)
  })

  it.each(['rate_limited', 'unreachable'] as const)(
    'asks for half as many after the pause on %s: so many may never get their turn in time',
    async (type) => {
      const { provider, learnt } = provide(failAt(30, type))
      await expect(provider.read(query(0, HEAD))).rejects.toMatchObject({ type })
      expect(learnt.blocks.size).toBe(25)
      expect(await provider.read(query(0, HEAD))).toMatchObject({ through: 24 })
    },
  )

  it('refuses blocks that do not follow each other: the chain was reorganised, or nodes disagree', async () => {
    const other = { ...blockOf(7), hash: hex(999, 64) }
    const { provider } = provide((_method, block) => (block === 7 ? other : undefined))
    await expect(provider.read(query(0, 6))).resolves.toMatchObject({ through: 6 })
    await expect(provider.read(query(0, 20))).rejects.toMatchObject({ type: 'unavailable' })
    await expect(provider.read(query(0, 20))).rejects.toThrow('Block 8 does not follow')
  })

  it('knows a block that the node does not have', async () => {
    const { provider } = provide((_method, block) => (block > 10 ? null : undefined))
    await expect(provider.read(query(5, 12))).rejects.toMatchObject({ type: 'missing_blocks' })
  })

  it.each([[null], [''], ['soon'], [12], [[]], ['0x20000000000001']])(
    'does not take %j for the number of the newest block',
    async (answer) => {
      const { provider } = provide((method) => (method === 'eth_blockNumber' ? answer : undefined))
      await expect(provider.head(query(0, 0))).rejects.toMatchObject({ type: 'invalid_data' })
    },
  )
})
