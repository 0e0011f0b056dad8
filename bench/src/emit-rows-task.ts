import { hash as digest } from 'node:crypto'

import { defineRangeTask, type JsonObject } from '@blockmill/core'

/** Rows that are emitted at once. */
const PAGE = 1_000

/** Emits a row for each block, of the size and with the entropy of a transaction. */
export const emitRows = defineRangeTask<Record<string, never>>({
  name: 'emit-rows',
  async run({ range, emit }) {
    for (let first = range.from; first <= range.to; first += PAGE) {
      const count = Math.min(PAGE, range.to - first + 1)
      await emit(Array.from({ length: count }, (_, index) => rowOf(first + index)))
    }
  },
})

function rowOf(block: number): JsonObject {
  const hash = digest('sha256', String(block))
  return {
    hash: `0x${hash}`,
    blockNumber: block,
    timestamp: 1_600_000_000 + block,
    from: `0x${hash.slice(0, 40)}`,
    to: `0x${hash.slice(24)}`,
    value: `${block}000000000000000000`,
    input: `0xa9059cbb${'0'.repeat(24)}${hash.slice(0, 40)}${hash}`,
    gas: 21_000 + (block % 1_000),
    status: 1,
  }
}
