import { defineRangeTask, rangeSize, type RateLimitOptions } from '@blockmill/core'

import { batchFailure } from './batch-failure.ts'
import { createKnownHead, type KnownHead } from './known-head.ts'
import { createLearntLimits, type LearntLimits, openProvider } from './open-provider.ts'
import { ProviderError } from './provider-error.ts'
import { loadProviderSettings, type ProviderSettings } from './provider-settings.ts'
import type { TransactionProvider } from './transaction-provider.ts'
import { TransactionArgs } from './transaction-request.ts'

export interface ContractTransactionsOptions {
  /** How often the API may be asked: of the scope `global`, because all workers share a key. Default: as often as they can. */
  readonly rateLimit?: RateLimitOptions
  /** Default `contract-transactions`. */
  readonly name?: string
  /** Default: from the environment and `.env`, read anew for each batch. */
  readonly loadSettings?: () => Promise<ProviderSettings>
}

/**
 * Defines the range task that collects all transactions of a contract or an account. Each batch reads its range from the provider that
 * its arguments name. What a failure of the provider makes of a batch is told by `batchFailure`.
 */
export function defineContractTransactions({
  rateLimit,
  name = 'contract-transactions',
  loadSettings = loadProviderSettings,
}: ContractTransactionsOptions = {}) {
  /** What is known of each provider and chain, so that not every batch has to find it out. */
  const known = new Map<string, { readonly limits: LearntLimits; readonly head: KnownHead }>()

  return defineRangeTask({
    name,
    schema: TransactionArgs,
    ...(rateLimit !== undefined && { rateLimit }),
    // What makes a batch wait concerns all of them, and the job says why.
    maxPostpones: null,
    retry: { maxAttempts: 5, backoff: { type: 'exponential', base: '5s', factor: 3, max: '10m' }, jitter: true },
    async run(context) {
      const { range, args, cursor, signal, log, throttle, attempt } = context
      const { address, chainId, provider: providerName = 'etherscan' } = args
      let next = typeof cursor === 'number' ? cursor : range.from
      let requests = 0
      const chain = `${providerName} ${chainId}`
      const { limits, head } = known.get(chain) ?? { limits: createLearntLimits(), head: createKnownHead() }
      known.set(chain, { limits, head })
      let provider: TransactionProvider | undefined
      const query = {
        address: address.toLowerCase(),
        signal,
        // The start of the batch has taken the first.
        permit: async () => {
          requests += 1
          if (requests > 1) await throttle()
        },
      }
      try {
        provider = await openProvider({
          provider: providerName,
          chainId,
          settings: await loadSettings(),
          learnt: limits,
          chain: () => context.chain,
          logger: log,
        })
        await head.assertBlockExists(provider, range.to, query)
        while (next <= range.to) {
          const page = await provider.read({ ...query, range: { from: next, to: range.to }, whenFull: 'split' })
          await context.emit(page.rows)
          next = page.through + 1
          // At the end there is nothing to go on with.
          if (next <= range.to) await context.checkpoint(next)
          context.progress(next - range.from, rangeSize(range))
        }
        return { requests }
      } catch (error) {
        signal.throwIfAborted()
        const canSplit = providerName === 'etherscan' && rangeSize(range) > 1
        const answersOthers = (): Promise<boolean> => answers(provider, query)
        throw await batchFailure(error, { now: new Date(), attempt, canSplit, answersOthers })
      } finally {
        await provider?.close()
      }
    },
  })
}

/** Whether a provider answers the smallest question there is. */
async function answers(
  provider: TransactionProvider | undefined,
  query: Parameters<TransactionProvider['head']>[0],
): Promise<boolean> {
  try {
    await provider?.head(query)
    return provider !== undefined
  } catch (error) {
    // The failure that made us ask is the one to report.
    if (error instanceof ProviderError) return false
    throw error
  }
}
