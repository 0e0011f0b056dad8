import type * as Core from '@acala-network/chopsticks-core'
import { array, assert, asyncProperty, constantFrom, dictionary, option } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createVersionedStorage } from './versioned-storage.ts'

const DELETED = 'Deleted'

function createGenesis(state: Readonly<Record<string, string>>): Core.StorageLayerProvider {
  const keys = Object.keys(state).sort()
  return {
    deleted: () => false,
    get: async (key) => state[key],
    getMany: async (wanted) => wanted.map((key) => state[key]),
    findNextKey: async (prefix, startKey) => keys.find((key) => key.startsWith(prefix) && key > startKey),
    getKeysPaged: async () => keys,
  }
}

const key = constantFrom('0xa1', '0xa2', '0xa3', '0xb1', '0xb2')
const changes = dictionary(key, option(constantFrom('0x01', '0x02', '0x03')), { noNullPrototype: true })
const genesisState = dictionary(key, constantFrom('0x01', '0x09'), { noNullPrototype: true })

/** What is there after a block when each change is done to a plain object. */
function stateAfter(
  genesis: Readonly<Record<string, string>>,
  blocks: readonly Readonly<Record<string, string | null>>[],
) {
  const state = new Map<string, string | null>(Object.entries(genesis))
  for (const [name, value] of blocks.flatMap((block) => Object.entries(block))) state.set(name, value)
  return new Map([...state].filter((entry): entry is [string, string] => entry[1] !== null))
}

describe('the state after a block', () => {
  test('is that of a plain object that had the same changes, at every block', async () => {
    await assert(
      asyncProperty(genesisState, array(changes, { maxLength: 8 }), async (genesis, blocks) => {
        const storage = createVersionedStorage(createGenesis(genesis), DELETED)
        for (const [index, block] of blocks.entries()) storage.add(index + 1, block)
        for (let block = 0; block <= blocks.length; block++) {
          const expected = stateAfter(genesis, blocks.slice(0, block))
          const layer = storage.at(block)
          for (const name of ['0xa1', '0xa2', '0xa3', '0xb1', '0xb2']) {
            const value = await layer.get(name, true)
            expect(value === DELETED ? undefined : value).toBe(expected.get(name))
          }
          const listed = [...expected.keys()].filter((name) => name.startsWith('0xa')).sort()
          expect(await layer.getKeysPaged('0xa', 1_000, '0xa')).toEqual(listed)
          expect(await layer.getKeysPaged('0xa', 1, '0xa')).toEqual(listed.slice(0, 1))
        }
      }),
    )
  })

  test('stays readable from the first block that is not forgotten', async () => {
    await assert(
      asyncProperty(array(changes, { minLength: 3, maxLength: 8 }), async (blocks) => {
        const storage = createVersionedStorage(createGenesis({}), DELETED)
        for (const [index, block] of blocks.entries()) storage.add(index + 1, block)
        const before = await storage.at(2).getKeysPaged('0x', 1_000, '0x')
        storage.forgetBefore(2)
        expect(await storage.at(2).getKeysPaged('0x', 1_000, '0x')).toEqual(before)
      }),
    )
  })

  test('can be told as one change from the genesis', async () => {
    const storage = createVersionedStorage(createGenesis({ '0xa1': '0x01' }), DELETED)
    storage.add(1, { '0xa1': null, '0xa2': '0x02' })
    storage.add(2, { '0xa2': '0x03' })
    storage.add(3, { '0xb1': '0x04' })
    expect(storage.changesUpTo(2)).toEqual({ '0xa1': null, '0xa2': '0x03' })
  })

  test('is read from a hundred thousand blocks as from one', async () => {
    const storage = createVersionedStorage(createGenesis({ '0xa1': '0x01' }), DELETED)
    for (let block = 1; block <= 100_000; block++) storage.add(block, { '0xb1': `0x${block.toString(16)}` })
    expect(await storage.at(100_000).getMany(['0xa1', '0xb1'], true)).toEqual(['0x01', '0x186a0'])
  })
})
