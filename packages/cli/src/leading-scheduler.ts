import type { Database } from '@blockmill/core'

/** Says so on standard error when nobody is there to run a job of this chain. */
export async function warnWithoutScheduler(
  { query }: Pick<Database, 'query'>,
  { chain, what }: { readonly chain: string; readonly what: string },
): Promise<void> {
  const leading = await query(
    'select 1 from blockmill.scheduler_lease where chain = $1 and expires_at > clock_timestamp()',
    [chain],
  )
  if (leading.length > 0) return
  process.stderr.write(`No scheduler leads chain '${chain}' at the moment: the ${what} begins when one does.\n`)
}
