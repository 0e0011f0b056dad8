import { unlessAborted } from '@blockmill/core'

import { assertBlockExists } from './transaction-provider.ts'

/** The newest block of a chain that is known, so that not every batch has to ask for it. */
export interface KnownHead {
  /** Asks when the block is above what is known. Throws as the function of the same name. */
  assertBlockExists(...question: Parameters<typeof assertBlockExists>): Promise<void>
}

/** Knows nothing at first. */
export function createKnownHead(): KnownHead {
  let head = -1
  let asking: Promise<unknown> | undefined

  return {
    async assertBlockExists(provider, block, query) {
      if (block <= head) return
      // Batches that begin together would all ask the same. What makes one of them fail need not make the others fail.
      const before = asking?.catch(() => undefined)
      if (before !== undefined) await unlessAborted(before, query.signal)
      if (block <= head) return
      const answer = assertBlockExists(provider, block, query)
      asking = answer
      head = Math.max(head, await answer)
    },
  }
}
