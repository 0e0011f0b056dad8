import { defineContractTransactions } from '@blockmill/example'

/** The shipped task, at the pace of a test. */
export const contractTransactions = defineContractTransactions({
  rateLimit: { limit: 200, per: '1s', scope: 'global' },
})
