import { defineTask } from '@blockmill/core'

/** Never ends, unless its worker is the one that is to survive. */
export const outlive = defineTask({
  name: 'outlive',
  run: ({ signal }) =>
    process.argv.includes('survivor')
      ? 'done'
      : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
})
