/** A column for a select of jobs of either kind: whether a scheduler leads the chain of each. */
export function isLedColumn(table: 'range_job' | 'backfill'): string {
  return `exists (select from blockmill.scheduler_lease as lease
    where lease.chain = ${table}.chain and lease.expires_at > clock_timestamp()) as is_led`
}

/** Why a job does not go on although nobody stopped it: `null` when a scheduler leads its chain, or none is needed. */
export function waitingForScheduler(
  { state, chain }: { readonly state: string; readonly chain: string },
  isLed: boolean,
): string | null {
  const goesOn = state === 'pending' || state === 'running'
  return goesOn && !isLed ? `no scheduler leads chain '${chain}' at the moment` : null
}
