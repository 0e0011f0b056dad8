import { setTimeout as delay } from 'node:timers/promises'

import { defineTask } from '@blockmill/core'

/** The block whose task the worker `doomed` never ends, so that it is killed in the middle of it. */
const LAST_OF_DOOMED = 10

/** Takes a while. */
export const linger = defineTask({
  name: 'linger',
  async run({ block, signal }) {
    const isDoomed = process.argv.includes('doomed') && block.number === LAST_OF_DOOMED
    await delay(isDoomed ? 3_600_000 : 400, undefined, { signal })
    return { block: block.number }
  },
})
