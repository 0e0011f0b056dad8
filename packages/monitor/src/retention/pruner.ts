import { type Database, type Logger, type Metrics, readRetentions } from '@blockmill/core'
import { Counter, Histogram } from 'prom-client'

import { pruneAudit } from '../security/prune-audit.ts'
import { pruneRates } from '../statistics/rates.ts'
import { pruneByRule } from './prune-tasks.ts'
import { createRecurringWork, type RecurringWork } from './recurring-work.ts'
import { type RetentionRule, retentionRules } from './retention-rules.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
const INTERVAL_MS = 2 * 60 * 1_000
/** No record is behind for so long. */
const LONG_MS = DAY_MS
/** Tasks that were recorded late may have finished before those that were looked at. */
const OVERLAP_MS = 60 * 60 * 1_000
/** And those that were recorded later still are found once in a while. */
const LOOK_AT_ALL_MS = DAY_MS

export interface PrunerOptions {
  readonly database: Database
  readonly logger: Logger
  readonly metrics: Metrics
  /** For how many days finished tasks are kept whose definition says nothing; 0 for ever. */
  readonly retentionDays: number
  /** Queues whose tasks are deleted when they have succeeded, where their definition says nothing. Default none. */
  readonly deleteOnComplete?: readonly string[] | undefined
  readonly now?: () => Date
  /** True when nothing waits to be recorded. Default: always. */
  readonly isRecordUpToDate?: () => Promise<boolean>
  /** From the end of one run to the beginning of the next. Default 2 min. */
  readonly intervalMs?: number
  /** Most tasks of one transaction. Default 5,000. */
  readonly batchRows?: number
}

/**
 * Deletes old tasks and old entries of the audit log from time to time; see `retentionRules`, `pruneTasks` and `pruneAudit`. In several monitors at
 * once, one deletes the tasks.
 */
export function createPruner(options: PrunerOptions): RecurringWork {
  const { database, logger, isRecordUpToDate, now = () => new Date(), intervalMs = INTERVAL_MS, batchRows } = options
  const { deleted, seconds } = createPrunerMetrics(options.metrics)
  const passes = createPasses()
  let wasUpToDate = false

  const prune = async (rule: RetentionRule, signal: AbortSignal): Promise<number> => {
    const at = now()
    const since = passes.since(rule, at)
    const { deletedCount, isComplete } = await pruneByRule(database, {
      cutoff: new Date(at.getTime() - rule.keptMs),
      rule,
      signal,
      whenBusy: 'leave',
      onBatch: (count) => deleted.inc(count),
      ...(since !== undefined && { since }),
      ...(batchRows !== undefined && { batchRows }),
    })
    if (isComplete) passes.completed(rule, at)
    return deletedCount
  }

  const pruneAll = async (signal: AbortSignal): Promise<void> => {
    const defaults = { keptMs: keptMs(options.retentionDays), deleteOnComplete: options.deleteOnComplete ?? [] }
    const rules = retentionRules(await readRetentions(database.query), defaults)
    // What the monitor reads late may be older than a short retention, and its task not on record in full.
    const isUpToDate = (await isRecordUpToDate?.()) ?? true
    const mayBeShort = isUpToDate && wasUpToDate
    wasUpToDate = isUpToDate
    let deletedCount = 0
    for (const rule of rules) {
      if (rule.keptMs >= LONG_MS || mayBeShort) deletedCount += await prune(rule, signal)
    }
    if (deletedCount > 0) logger.info({ deletedCount }, 'old tasks deleted')
    await pruneRates(database.query, now())
    if (options.retentionDays > 0) await pruneAudit(database, { now: now(), signal })
  }

  const work = async (signal: AbortSignal): Promise<void> => {
    const end = seconds.startTimer()
    try {
      await pruneAll(signal)
    } catch (error) {
      logger.warn({ err: error, retryInMs: intervalMs }, 'old tasks could not be deleted; what was deleted so far is')
    }
    end()
  }

  return createRecurringWork({ work, intervalMs })
}

/** Remembers how far each rule has been followed, so that tasks that are kept longer than others are not looked at again and again. */
function createPasses() {
  const passes = new Map<string, { readonly through: Date; readonly begunAt: Date }>()
  const keyOf = (rule: RetentionRule): string => JSON.stringify(rule)
  return {
    /** From when on tasks must be looked at; `undefined` for all. */
    since(rule: RetentionRule, at: Date): Date | undefined {
      const pass = passes.get(keyOf(rule))
      // What a rule for all has looked at is gone.
      const isForAll = rule.kinds.length === 0 && rule.succeededIn === undefined
      if (isForAll || pass === undefined) return undefined
      if (at.getTime() - pass.begunAt.getTime() >= LOOK_AT_ALL_MS) return undefined
      return new Date(pass.through.getTime() - OVERLAP_MS)
    },
    completed(rule: RetentionRule, at: Date): void {
      const through = new Date(at.getTime() - rule.keptMs)
      const isAnew = this.since(rule, at) === undefined
      passes.set(keyOf(rule), { through, begunAt: isAnew ? at : (passes.get(keyOf(rule))?.begunAt ?? at) })
    },
  }
}

function keptMs(days: number): number | undefined {
  return days > 0 ? days * DAY_MS : undefined
}

function createPrunerMetrics(register: Metrics) {
  const registers = [register]
  return {
    deleted: new Counter({
      name: 'blockmill_pruned_tasks_total',
      help: 'Tasks deleted from the record, because they finished longer ago than tasks are kept.',
      registers,
    }),
    seconds: new Histogram({
      name: 'blockmill_prune_seconds',
      help: 'Time that one look for old tasks took, with the deletion of all that were found.',
      buckets: [0.01, 0.1, 1, 10, 60, 300, 1_800],
      registers,
    }),
  }
}
