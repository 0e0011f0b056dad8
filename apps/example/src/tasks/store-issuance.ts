import { defineTask, everyNBlocks } from '@blockmill/core'

/** Reads state of the chain as it was at the task's block, however much later the task runs, and stores it. */
export const storeIssuance = defineTask({
  name: 'store-issuance',
  condition: everyNBlocks(5),
  // At its start the scheduler also looks at the twenty blocks before the head. These tasks let live ones go first.
  backfill: { lookback: 20 },
  async run({ block, chain }) {
    const issuance = await chain.storage(block, 'balances.totalIssuance')
    // Too large for a JSON number, so it is stored as text. `chain.at(block)` gives the typed API instead: slower, but
    // `(await chain.at(block)).query.balances.totalIssuance()` is checked by the compiler.
    return { block: block.number, issuance: issuance.toString() }
  },
})
