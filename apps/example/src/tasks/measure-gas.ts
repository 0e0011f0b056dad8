import { defineTask, everyNBlocks } from '@blockmill/core'

/**
 * Measures how full the blocks of an EVM chain are. `chainKind` says that it is for such chains, and makes `chain` one: it has
 * viem's client. Schedulers and workers of Substrate chains leave it out.
 */
export const measureGas = defineTask({
  name: 'measure-gas',
  chainKind: 'evm',
  condition: everyNBlocks(5),
  timeout: '1m',
  async run({ block, chain }) {
    const { gasUsed, gasLimit, transactions } = await chain.block(block)
    // viem's numbers are bigints, which JSON does not have.
    return { transactions: transactions.length, percentUsed: Number((gasUsed * 10_000n) / gasLimit) / 100 }
  },
})
