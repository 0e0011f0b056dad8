import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { evmProtocol } from './evm-protocol.ts'
import { parseEvmBlock, parseQuantity, quantity } from './evm-rpc.ts'
import { RpcAnswerError } from './rpc-answer-error.ts'

const HASH = `0x${'1a'.repeat(32)}`
const PARENT = `0x${'2b'.repeat(32)}`
const block = { number: '0x10', hash: HASH, parentHash: PARENT, timestamp: '0x65f0c000', gasUsed: '0x0' }
const invalid = { kind: 'retryable', code: 'CHAIN_DATA_INVALID' }

describe('parseQuantity', () => {
  it('reads what quantity writes', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (number) => parseQuantity(quantity(number), 'a number') === number))
  })

  it.each(['', '0x', '16', '0xg', '-0x1', '0x1.0', ' 0x1', 16, 16n, null, undefined, ['0x1'], '0x20000000000000'])(
    'takes %s for no number',
    (value) => {
      expect(() => parseQuantity(value === 16n ? [16] : value, 'a number')).toThrow(expect.objectContaining(invalid))
    },
  )
})

describe('parseEvmBlock', () => {
  it('reads the header of a block', () => {
    expect(parseEvmBlock(block)).toEqual({
      number: 16,
      hash: HASH,
      parentHash: PARENT,
      timestamp: new Date(0x65f0c000 * 1_000),
    })
  })

  it.each([
    ['a block', null],
    ['a block', 'block'],
    ['a block', {}],
    ['a block number', { ...block, number: null }],
    ['a block number', { ...block, number: 16 }],
    ['a block number', { ...block, number: '0x20000000000000' }],
    ['a block number', { ...block, number: `0x${'f'.repeat(64)}` }],
    ['a block hash', { ...block, hash: null }],
    ['a block hash', { ...block, hash: '0x1a' }],
    ['a block hash', { ...block, parentHash: undefined }],
    ['a block time', { ...block, timestamp: undefined }],
    ['a block time', { ...block, timestamp: '0x7dba8218001' }],
    ['a block time', { ...block, timestamp: `0x${'f'.repeat(16)}` }],
  ])('refuses what is not %s: %j', (what, answer) => {
    expect(() => parseEvmBlock(answer)).toThrow(expect.objectContaining(invalid))
    expect(() => parseEvmBlock(answer)).toThrow(`something that is not ${what}: `)
  })
})

describe('isStateDiscarded', () => {
  it.each([
    ['missing trie node 5b8b… (path ) state 0x5b8b… is not available, not found', true],
    ['required historical state unavailable (reexec=128)', true],
    ['historical state 5b8b… is not available', true],
    ['old data not available due to pruning', true],
    ['No state available for block 0x10', true],
    ['World state unavailable', true],
    ['execution reverted: state of the auction is closed', false],
    ['historical state not available in path scheme yet', true],
    ['state at block #100 is pruned', true],
    ['This request requires an archive node.', true],
    ['project ID does not have access to archive state', true],
    ['Archive, Debug and Trace requests are not available here', true],
    ['execution reverted: archive requests are closed', false],
    ['execution reverted: state of the sale is not available', false],
    ['header not found', false],
    ['internal error', false],
  ])('takes %j for %s', (message, expected) => {
    expect(evmProtocol.isStateDiscarded(new RpcAnswerError(-32_000, message))).toBe(expected)
  })
})
