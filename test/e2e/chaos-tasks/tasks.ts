import { setTimeout as delay } from 'node:timers/promises'

import { defineTask, Postpone } from '@blockmill/core'

// Their messages are published by the test, so no scheduler ever asks for which blocks they are.
const options = { queue: 'chaos', retry: { maxAttempts: 2, backoff: { type: 'constant', pause: '50ms' } } } as const

/** Ends at once. */
export const nothing = defineTask({ ...options, name: 'nothing', run: () => null })

/** Takes as long as it is told. */
export const waits = defineTask({
  ...options,
  name: 'waits',
  async run({ args, signal }: { args: { ms: number }; signal: AbortSignal }) {
    await delay(args.ms, undefined, { signal })
    return { waitedMs: args.ms }
  },
})

/** Succeeds at its second attempt. */
export const failsOnce = defineTask({
  ...options,
  name: 'fails-once',
  run({ attempt }) {
    if (attempt === 1) throw new Error('the first attempt fails')
    return { attempt }
  },
})

/** Fails at each of its two attempts. */
export const failsAlways = defineTask({
  ...options,
  name: 'fails-always',
  run() {
    throw new Error('every attempt fails')
  },
})

const seen = new Set<string>()

/** Postpones itself the first time that this process sees it: once at least, and seldom more than a few times. */
export const postpones = defineTask({
  ...options,
  name: 'postpones',
  run({ taskId }) {
    if (seen.has(taskId)) return { postponed: true }
    seen.add(taskId)
    throw new Postpone('50ms')
  },
})
