import { defineTask } from '@blockmill/core'

/** Reads its block through viem's client. */
export const noteEvmBlock = defineTask({
  name: 'note-evm-block',
  chainKind: 'evm',
  timeout: '1m',
  async run({ block, chain }) {
    const { hash, number } = await chain.client.getBlock({ blockNumber: BigInt(block.number) })
    return { hash, number: Number(number) }
  },
})

/** Its condition reads the chain, and its handler runs in a thread, with a connection of its own. */
export const countTransactions = defineTask({
  name: 'count-transactions',
  chainKind: 'evm',
  isolation: 'thread',
  timeout: '1m',
  condition: async ({ number }, _args, { chain }) =>
    number % 5 === 0 && (await chain.block(number)).number === BigInt(number),
  run: async ({ block, chain }) => (await (await chain.at(block)).getBlock()).transactions.length,
})

/** Follows the newest block, and reads exactly that one, whatever becomes of it. */
export const followLatest = defineTask({
  name: 'follow-latest',
  chainKind: 'any',
  head: 'latest',
  timeout: '1m',
  run: async ({ block, chain }) => (chain.kind === 'evm' ? (await chain.block(block)).hash : null),
})

/** For another kind of chain: never to be scheduled here. */
export const onSubstrate = defineTask({ name: 'on-substrate', timeout: '1m', run: () => null })
