import { setTimeout as delay } from 'node:timers/promises'

import { defineRangeTask } from '@blockmill/core'

/** Finds each block twice, and keeps what it has in between, so that a worker may die at any of these points. */
export const numberBlocks = defineRangeTask({
  name: 'number-blocks',
  batchSize: 10,
  timeout: '1m',
  async run({ range, cursor, emit, checkpoint, signal }) {
    for (let block = Number(cursor ?? range.from); block <= range.to; block += 1) {
      await emit([
        { block, row: 1 },
        { block, row: 2 },
      ])
      await checkpoint(block + 1)
      if (block % 5 === 0) await delay(2, undefined, { signal })
    }
    return { from: range.from }
  },
})
