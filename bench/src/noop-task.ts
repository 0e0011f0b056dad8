import { defineTask } from '@blockmill/core'

/** Runs for every block and does nothing. */
export const noop = defineTask({ name: 'noop', run: () => null })
