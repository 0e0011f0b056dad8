import { defineTask } from '@blockmill/core'

/** Blocks between the ends of two epochs of a subnet, less one. */
const TEMPO = 4

/**
 * Runs for several sets of arguments: one task for each subnet whose epoch ends with the block. The condition is asked for
 * each block and each set, and may be asynchronous and read the chain.
 */
export const closeEpoch = defineTask({
  name: 'close-epoch',
  args: [{ netuid: 1 }, { netuid: 3 }, { netuid: 22 }],
  condition: ({ number }, { netuid }) => isLastOfEpoch(number, netuid),
  // Only workers that serve this queue take it: blockmill worker --queues default,high-priority
  queue: 'high-priority',
  run({ block, args }) {
    return { netuid: args.netuid, epoch: Math.floor((block.number + args.netuid + 1) / (TEMPO + 1)) }
  },
})

/** Subnets end their epochs one after the other, so that the chain need not work on all of them in one block. */
function isLastOfEpoch(block: number, netuid: number): boolean {
  return (block + netuid + 1) % (TEMPO + 1) === 0
}
