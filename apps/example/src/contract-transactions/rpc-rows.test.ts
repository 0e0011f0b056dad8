import { describe, expect, it } from 'vitest'

import { ProviderError, type ProviderFailure } from './provider-error.ts'
import type { RpcBlock, RpcTransaction } from './rpc-answer.ts'
import { createRpcRowReader } from './rpc-rows.ts'

const hex = (number: number, digits = 1) => `0x${number.toString(16).padStart(digits, '0')}`

const transaction = (index: number): RpcTransaction => ({
  hash: hex(index + 1, 64),
  transactionIndex: hex(index),
  from: hex(1, 40),
  to: hex(2, 40),
  value: '0x0',
  input: '0x',
  gas: '0x5208',
})
const blockOf = (transactions: number): RpcBlock => ({
  number: '0x10',
  hash: hex(16, 64),
  parentHash: hex(15, 64),
  timestamp: '0x64',
  transactions: Array.from({ length: transactions }, (_, index) => transaction(index)),
})
const receipt = (block: RpcBlock, { hash }: RpcTransaction) => ({
  transactionHash: hash,
  blockHash: block.hash,
  contractAddress: null,
  gasUsed: '0x5208',
  effectiveGasPrice: '0x7',
  status: '0x1',
})

/** A node with one block, that counts what it is asked. */
const nodeOf = (block: RpcBlock, blockReceipts?: () => unknown) => {
  const asked: string[] = []
  let waiting = 0
  let mostWaiting = 0
  const receipts = new Map(block.transactions.map((told) => [told.hash, receipt(block, told)]))
  const node = {
    label: 'the node',
    async send(method: string, [which]: readonly unknown[]) {
      asked.push(method)
      waiting += 1
      mostWaiting = Math.max(mostWaiting, waiting)
      await Promise.resolve()
      waiting -= 1
      if (method === 'eth_getTransactionReceipt') return receipts.get(String(which)) ?? null
      return blockReceipts === undefined ? [...receipts.values()] : blockReceipts()
    },
    close: async () => undefined,
  }
  return { node, asked, mostWaiting: () => mostWaiting }
}
const fail = (type: ProviderFailure) => () => {
  throw new ProviderError(type, 'the reason')
}
const ALL = 'eth_getBlockReceipts'
const ONE = 'eth_getTransactionReceipt'
const times = (method: string, count: number) => Array.from({ length: count }, () => method)

describe('createRpcRowReader', () => {
  it('asks once for all receipts of a block of which many are wanted, and gives the rows of those', async () => {
    const block = blockOf(30)
    const { node, asked } = nodeOf(block)
    const wanted = [4, 5, 29].map(transaction)
    const rows = await createRpcRowReader({ node, learnt: { hasBlockReceipts: true } })(block, wanted)
    expect(asked).toEqual([ALL])
    expect(rows.map(({ hash }) => hash)).toEqual(wanted.map(({ hash }) => hash))
    expect(rows[2]).toMatchObject({ blockNumber: 16, transactionIndex: 29, gasPrice: '7', status: 'success' })
  })

  it.each([
    [1, 1],
    [1, 5_000],
    [9, 100],
    [499, 5_000],
  ])('asks for %i receipts of a block with %i transactions one by one', async (wanted, transactions) => {
    const block = blockOf(transactions)
    const { node, asked } = nodeOf(block)
    const read = createRpcRowReader({ node, learnt: { hasBlockReceipts: true } })
    expect(await read(block, block.transactions.slice(-wanted))).toHaveLength(wanted)
    expect(asked).toEqual(times(ONE, wanted))
  })

  it('asks a node once for a method that it does not have, and never again', async () => {
    const block = blockOf(3)
    const { node, asked } = nodeOf(block, fail('method_missing'))
    const learnt = { hasBlockReceipts: true }
    const expected = await createRpcRowReader({ node: nodeOf(block).node, learnt })(block, block.transactions)
    const read = createRpcRowReader({ node, learnt })
    expect(await read(block, block.transactions)).toEqual(expected)
    expect(await createRpcRowReader({ node, learnt })(block, block.transactions)).toEqual(expected)
    expect(asked).toEqual([ALL, ...times(ONE, 6)])
  })

  it.each([
    ['refuses', fail('refused')],
    ['answers with nothing', () => null],
  ])(
    'reads the receipts of a block one by one that the node %s as a whole, and asks for the next one',
    async (_what, answer) => {
      const block = blockOf(2)
      const { node, asked } = nodeOf(block, answer)
      const read = createRpcRowReader({ node, learnt: { hasBlockReceipts: true } })
      expect(await read(block, block.transactions)).toHaveLength(2)
      expect(await read(block, block.transactions)).toHaveLength(2)
      expect(asked).toEqual([ALL, ONE, ONE, ALL, ONE, ONE])
    },
  )

  it('fails at once with what concerns every request', async () => {
    const block = blockOf(2)
    for (const type of ['rate_limited', 'unreachable', 'timed_out'] as const) {
      const { node, asked } = nodeOf(block, fail(type))
      const read = createRpcRowReader({ node, learnt: { hasBlockReceipts: true } })
      await expect(read(block, block.transactions)).rejects.toMatchObject({ type })
      expect(asked).toEqual([ALL])
    }
  })

  it('refuses receipts of another block or another transaction, and notices one that is not there', async () => {
    const block = blockOf(2)
    const receipts = block.transactions.map((told) => receipt(block, told))
    const readWith = (answer: unknown) =>
      createRpcRowReader({ node: nodeOf(block, () => answer).node, learnt: { hasBlockReceipts: true } })(
        block,
        block.transactions,
      )
    const elsewhere = receipts.map((told) => ({ ...told, blockHash: hex(99, 64) }))
    await expect(readWith(elsewhere)).rejects.toThrow('the chain was reorganised meanwhile')
    await expect(readWith(receipts.toReversed())).rejects.toMatchObject({ type: 'invalid_data' })
    await expect(readWith(receipts.slice(0, 1))).rejects.toMatchObject({ type: 'unavailable' })
  })

  it('has no more than a hundred requests waiting for their turn', async () => {
    const block = blockOf(450)
    const { node, asked, mostWaiting } = nodeOf(block)
    const rows = await createRpcRowReader({ node, learnt: { hasBlockReceipts: false } })(block, block.transactions)
    expect(rows.map(({ transactionIndex }) => transactionIndex)).toEqual(
      block.transactions.map((_told, index) => index),
    )
    expect(asked).toHaveLength(450)
    expect(mostWaiting()).toBe(100)
  })
})
