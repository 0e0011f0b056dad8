import type { Database } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'

/** Resolves with the moment at which a question that selects `done` is answered with true. */
export async function whenTrue(database: Database, question: string, params: readonly unknown[]): Promise<number> {
  return waitFor(
    async () => {
      const [answer] = await database.query<{ done: boolean }>(question, params)
      return answer?.done === true && performance.now()
    },
    { describe: `a yes to: ${question}, with ${params.join(', ')}`, timeoutMs: 600_000, intervalMs: 50 },
  )
}
