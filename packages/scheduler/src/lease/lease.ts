import { type Logger, within } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import type { Sql } from '../sql.ts'
import { pause } from '../wake-up.ts'

/** A lease that is not renewed for this long, by the database's clock, may be taken over. */
export const LEASE_TTL_MS = 6_000
const RENEW_EVERY_MS = 2_000
const ASK_EVERY_MS = 1_000
/** Who ends must not wait for a database that stalls. */
const GIVE_BACK_WITHIN_MS = 2_000

const ACQUIRE = `
  insert into blockmill.scheduler_lease as lease (chain, holder, token, expires_at)
  values ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
  on conflict (chain) do update
  set holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
  where lease.expires_at < clock_timestamp()
  returning token`

const RENEW = `
  update blockmill.scheduler_lease set expires_at = clock_timestamp() + $3 * interval '1 millisecond'
  where chain = $1 and token = $2::bigint returning token`

const RELEASE = `
  update blockmill.scheduler_lease set expires_at = clock_timestamp() - interval '1 millisecond'
  where chain = $1 and token = $2::bigint`

export interface LeaseOptions {
  readonly sql: Sql
  readonly chain: string
  /** Names this scheduler in the table, for people. */
  readonly holder: string
  readonly logger: Logger
  /** Default 6,000; shorter in tests. */
  readonly ttlMs?: number
}

/** Leads while the lease is held. Ends soon after `lost` aborts; its writes carry the token. */
export type Lead = (token: number, lost: AbortSignal) => Promise<void>

/**
 * Lets one scheduler per chain lead, and the others stand by.
 *
 * Standing by: asks for the lease every second, and gets it when nobody has renewed it for its lifetime, or its holder has
 * given it back. Leading: renews it every third of its lifetime. While the database is away it goes on leading, because
 * nobody else can take over either, and because every write carries the lease's token: after a take-over the token is
 * another, and the writes of the former leader are refused. It stands by again when a renewal finds another token, or when
 * `lead` ends. Stopped: once the signal aborts and `lead` has ended, the lease is given back, so that a standby need not wait.
 */
export async function leadWhileHeld(options: LeaseOptions, signal: AbortSignal, lead: Lead): Promise<void> {
  const { chain, logger, holder } = options
  while (!signal.aborted) {
    const token = await acquire(options, signal)
    if (token === undefined) return
    logger.info({ chain, holder, token }, 'leading: this scheduler is the active one of its chain')
    const lost = new AbortController()
    const done = new AbortController()
    const renewing = renewUntil(options, token, done.signal, lost)
    try {
      await lead(token, lost.signal)
    } finally {
      done.abort()
      await within(
        GIVE_BACK_WITHIN_MS,
        renewing.then(() => release(options, token)),
      )
    }
  }
}

async function acquire(
  { sql, chain, holder, logger, ttlMs = LEASE_TTL_MS }: LeaseOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  let isWaiting = false
  while (!signal.aborted) {
    try {
      const [acquired] = await sql.query<{ token: number }>(ACQUIRE, [chain, holder, ttlMs])
      if (acquired !== undefined) return acquired.token
      if (!isWaiting) logger.info({ chain, holder }, 'standing by: another scheduler is the active one of this chain')
      isWaiting = true
    } catch (error) {
      logger.warn(
        { ...failureFields(error), retryInMs: ASK_EVERY_MS },
        'the lease could not be asked for; trying again',
      )
    }
    await pause(Math.min(ASK_EVERY_MS, ttlMs), signal)
  }
  return undefined
}

async function renewUntil(
  { sql, chain, logger, ttlMs = LEASE_TTL_MS }: LeaseOptions,
  token: number,
  done: AbortSignal,
  lost: AbortController,
): Promise<void> {
  while (true) {
    await pause(Math.min(RENEW_EVERY_MS, ttlMs / 3), done)
    if (done.aborted) return
    try {
      const renewed = await sql.query(RENEW, [chain, token, ttlMs])
      if (renewed.length === 0) {
        logger.warn({ chain, token }, 'lease lost: another scheduler has taken over')
        lost.abort()
        return
      }
    } catch (error) {
      logger.warn(
        { ...failureFields(error), retryInMs: RENEW_EVERY_MS },
        'the lease could not be renewed; trying again',
      )
    }
  }
}

async function release({ sql, chain, logger }: LeaseOptions, token: number): Promise<void> {
  try {
    await sql.query(RELEASE, [chain, token])
  } catch (error) {
    // It runs out by itself; a standby then waits a few seconds longer.
    logger.debug({ err: error }, 'the lease could not be given back')
  }
}
