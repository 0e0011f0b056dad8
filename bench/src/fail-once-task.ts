import { defineTask } from '@blockmill/core'

/** Fails at its first attempt, and does nothing at its second. */
export const failOnce = defineTask({
  name: 'fail-once',
  retry: { maxAttempts: 2, backoff: { type: 'constant', pause: '1s' }, jitter: true },
  run({ attempt }) {
    if (attempt === 1) throw new Error('the first attempt fails')
    return null
  },
})
