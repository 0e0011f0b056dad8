import { setTimeout as delay } from 'node:timers/promises'

import { defineTask } from '@blockmill/core'

/** Takes long enough that a worker can be killed in the middle of it. */
export const linger = defineTask({
  name: 'linger',
  async run({ block, signal }) {
    await delay(400, undefined, { signal })
    return { block: block.number }
  },
})
