import { setTimeout as delay } from 'node:timers/promises'

import { defineTask } from '@blockmill/core'

/** So many tasks of each kind per block, so that something always runs when a container is killed. */
const PER_BLOCK = 10

const args = Array.from({ length: PER_BLOCK }, (_, part) => ({ part }))
const options = {
  args,
  timeout: '1m',
  // A killed container may cost any attempt, and a chain that is away another few; none may cost the task.
  retry: { maxAttempts: 10, backoff: { type: 'constant', pause: '1s' } },
} as const

/** Rides the normal lane. */
export const headLoad = defineTask({
  ...options,
  name: 'head-load',
  async run({ args: { part }, signal }) {
    await delay(100 * (part + 1), undefined, { signal })
    return { part }
  },
})

/** Rides the low lane, which workers of their own serve, and fails the first time. */
export const lowLoad = defineTask({
  ...options,
  name: 'low-load',
  priority: 20,
  async run({ args: { part }, attempt, signal }) {
    await delay(100 * (part + 1), undefined, { signal })
    if (part === 0 && attempt === 1) throw new Error('the first attempt fails')
    return { part }
  },
})

/** Reads the chain. */
export const readsChain = defineTask({
  ...options,
  name: 'reads-chain',
  args: [{}],
  async run({ block, chain }) {
    const { hash } = await chain.block(block.number)
    return { hash }
  },
})
