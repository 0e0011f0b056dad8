import { defineContractTransactions } from '../contract-transactions/define-contract-transactions.ts'

/**
 * Collects all transactions of a contract or an account over any range of blocks, on all workers together:
 *
 *     blockmill jobs start --task contract-transactions --from 0 --to 22000000 --args '{"address":"0x…","chainId":1}'
 *
 * A range task runs for the batches of a job and not for each block. Everything it needs to know it reads when a batch runs, so a
 * worker without an API key still runs all other tasks. See docs/contract-transactions.md.
 */
export const contractTransactions = defineContractTransactions({
  // What the free plan of Etherscan allows. One limit for all workers, because they share the key.
  rateLimit: { limit: 3, per: '1s', scope: 'global' },
})
