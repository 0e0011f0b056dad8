import { type Logger, RetryableError, unlessAborted } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import { FENCE, fencedWrite, HELD } from '../lease/fence.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import type { Sql } from '../sql.ts'
import { createWakeUp, pause } from '../wake-up.ts'
import type { Heads } from './head-watcher.ts'

const WRITE_EVERY_MS = 1_000

/** Puts the chain's tips on record, for whoever shows how far scheduling is behind them. */
export interface HeadStore {
  /** @throws RetryableError `SCHEDULER_LEASE_LOST`, `DATABASE_UNREACHABLE`. */
  write(token: number, heads: Heads): Promise<void>
}

const WRITE = `
  with ${FENCE}, written as (
    update blockmill.chain as chain
    set latest_number = $3, latest_hash = $4, finalized_number = $5, finalized_hash = $6, heads_at = now()
    from fence where id = $1
  )
  select ${HELD}`

export function createHeadStore({ sql, chain }: { readonly sql: Sql; readonly chain: string }): HeadStore {
  return {
    async write(token, { latest, finalized }) {
      const values = [latest.number, latest.hash, finalized.number, finalized.hash]
      await fencedWrite(sql, WRITE, { chain, token }, values)
    },
  }
}

export interface HeadRecordOptions {
  readonly store: HeadStore
  /** The fencing token of the lease. */
  readonly token: number
  readonly stopping: AbortSignal
  readonly abandoned: AbortSignal
  readonly onLeaseLost: (error: unknown) => void
  readonly logger: Logger
}

/** The chain's tips on record while its scheduler leads. */
export interface HeadRecord {
  see(heads: Heads): void
  /** Writes what was seen last, at most once a second, until it is stopped. Nothing waits for it. */
  run(): Promise<void>
}

export function createHeadRecord(options: HeadRecordOptions): HeadRecord {
  const { store, token, stopping, abandoned, onLeaseLost, logger } = options
  const wakeUp = createWakeUp()
  let seen: Heads | undefined

  return {
    see(heads) {
      seen = heads
      wakeUp.notify()
    },

    async run() {
      while (!stopping.aborted) {
        await wakeUp.wait(stopping)
        const heads = seen
        if (heads === undefined || stopping.aborted) continue
        try {
          await unlessAborted(store.write(token, heads), abandoned)
        } catch (error) {
          if (abandoned.aborted) return
          if (isLeaseLost(error)) onLeaseLost(error)
          const level = error instanceof RetryableError ? 'debug' : 'error'
          logger[level](failureFields(error), 'the heads could not be put on record')
          wakeUp.notify()
        }
        await pause(WRITE_EVERY_MS, stopping)
      }
    },
  }
}
