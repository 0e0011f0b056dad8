import {
  type Coordinator,
  createSilentLogger,
  type Logger,
  type RangeJobHandle,
  type ReadResultsOptions,
} from '@blockmill/core'

import { contractTransactions } from '../tasks/contract-transactions.ts'
import type { ContractTransaction } from './contract-transaction.ts'
import { createLearntLimits, openProvider } from './open-provider.ts'
import { loadProviderSettings, type ProviderSettings } from './provider-settings.ts'
import { assertBlockExists } from './transaction-provider.ts'
import { assertTransactionRequest, type TransactionRequest } from './transaction-request.ts'

export interface FetchContractTransactionsOptions extends TransactionRequest {
  /** As `createCoordinator` makes it. */
  readonly coordinator: Coordinator
  /** The task that the workers have, where it is not the one of this package. */
  readonly task?: Pick<typeof contractTransactions, 'name' | 'schema' | 'batchSize'>
  /**
   * Whether the provider is asked for its newest block first, with the settings of this process: a key that is refused, a chain that the
   * API does not have or a range above the head is then an error at once, not a job that waits. Default true.
   */
  readonly askFirst?: boolean
  /** For that question. Default: from the environment and `.env`. */
  readonly settings?: ProviderSettings
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

/** A range job whose rows are transactions. */
export interface ContractTransactionsJob extends RangeJobHandle {
  results(options?: ReadResultsOptions): AsyncIterable<ContractTransaction>
}

/**
 * Starts a range job that collects all transactions of an address, on all workers. The rows are those of `getAllTransactions`.
 *
 *     const job = await fetchContractTransactions({ coordinator, address, chainId: 1, from: 0, to: 22_000_000 })
 *     await job.wait({ onProgress: ({ done, total }) => console.log(done / total) })
 *     for await (const { hash, status } of job.results()) …
 *
 * @throws NonRetryableError `RANGE_INVALID` for a request that breaks a rule, `RANGE_JOB_INVALID` for what no job can have.
 * @throws ProviderError what the provider says when it is asked first.
 */
export async function fetchContractTransactions(
  options: FetchContractTransactionsOptions,
): Promise<ContractTransactionsJob> {
  const { coordinator, task = contractTransactions, chainId, from, to, batchSize, provider = 'etherscan' } = options
  assertTransactionRequest(options)
  const address = options.address.toLowerCase()
  if (options.askFirst !== false) await askForHead(options, provider)
  const job = await coordinator.run(task, { from, to, batchSize, args: { address, chainId, provider } })
  return { ...job, results: (read) => job.results(read) as AsyncIterable<ContractTransaction> }
}

async function askForHead(
  { chainId, to, settings, signal = new AbortController().signal, logger }: FetchContractTransactionsOptions,
  name: NonNullable<TransactionRequest['provider']>,
): Promise<void> {
  const provider = await openProvider({
    provider: name,
    chainId,
    settings: settings ?? (await loadProviderSettings()),
    learnt: createLearntLimits(),
    logger: logger ?? createSilentLogger(),
  })
  try {
    await assertBlockExists(provider, to, { signal, permit: async () => undefined })
  } finally {
    await provider.close()
  }
}
