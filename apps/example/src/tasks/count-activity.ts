import { defineTask, everyNBlocks } from '@blockmill/core'

/** Runs for every tenth block, and counts what happened in it. The scheduler does not even look at the nine in between. */
export const countActivity = defineTask({
  name: 'count-activity',
  condition: everyNBlocks(10),
  // An attempt that takes longer is aborted and retried.
  timeout: '1m',
  async run({ block, chain }) {
    // Both are decoded with the runtime that the block was made by. The connection is shared by all tasks of a worker.
    const [{ extrinsics }, events] = await Promise.all([chain.block(block), chain.events(block)])
    return { extrinsics: extrinsics.length, events: events.length }
  },
})
