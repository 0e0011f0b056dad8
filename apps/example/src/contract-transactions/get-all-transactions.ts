import { setTimeout as sleep } from 'node:timers/promises'

import { createSilentLogger, type Logger } from '@blockmill/core'

import type { ContractTransaction } from './contract-transaction.ts'
import { createLearntLimits, openProvider } from './open-provider.ts'
import { ProviderError, type ProviderFailure } from './provider-error.ts'
import { loadProviderSettings, type ProviderSettings } from './provider-settings.ts'
import { assertBlockExists } from './transaction-provider.ts'
import { assertTransactionRequest, type TransactionRequest } from './transaction-request.ts'

export interface GetAllTransactionsOptions extends TransactionRequest {
  /** Default: from the environment and `.env`. */
  readonly settings?: ProviderSettings
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

/** What often heals by itself within a minute. */
const PASSING: readonly ProviderFailure[] = ['rate_limited', 'unreachable', 'timed_out', 'unavailable']
/** Requests in a row that may fail so. */
const MAX_TRIES = 6
const FIRST_PAUSE_MS = 500
/** Whoever wants to wait longer should start a range job. */
const LONGEST_PAUSE_MS = 60_000

/**
 * All transactions of an address, read one request after the other in this process: for ranges that take seconds. The rows are those
 * that a range job of the task `contract-transactions` collects.
 *
 * @throws NonRetryableError `RANGE_INVALID` for a request that breaks a rule.
 * @throws ProviderError when the provider does not answer, `missing_blocks` for a range that ends above the head. Rows that were given
 * before are then not all of them.
 */
export async function* getAllTransactions(
  options: GetAllTransactionsOptions,
): AsyncGenerator<ContractTransaction, void> {
  assertTransactionRequest(options)
  const { chainId, from, to, provider: name = 'etherscan', signal = new AbortController().signal } = options
  const provider = await openProvider({
    provider: name,
    chainId,
    settings: options.settings ?? (await loadProviderSettings()),
    learnt: createLearntLimits(),
    logger: options.logger ?? createSilentLogger(),
  })
  try {
    const query = { address: options.address.toLowerCase(), signal, permit: async () => undefined }
    await patiently(() => assertBlockExists(provider, to, query), signal)
    let size = to - from + 1
    for (let next = from; next <= to;) {
      const last = Math.min(to, next + size - 1)
      const range = { from: next, to: last }
      try {
        const page = await patiently(() => provider.read({ ...query, range, whenFull: 'continue' }), signal)
        yield* page.rows
        next = page.through + 1
      } catch (error) {
        if (!(error instanceof ProviderError && error.type === 'too_much') || last === next) throw error
        size = Math.ceil((last - next + 1) / 2)
      }
    }
  } finally {
    await provider.close()
  }
}

async function patiently<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await request()
    } catch (error) {
      if (!(error instanceof ProviderError) || !PASSING.includes(error.type) || tries === MAX_TRIES) throw error
      const pauseMs = Math.max(FIRST_PAUSE_MS * 2 ** (tries - 1), error.retryAfterMs ?? 0)
      if (pauseMs > LONGEST_PAUSE_MS) throw error
      await sleep(pauseMs, undefined, { signal })
    }
  }
}
