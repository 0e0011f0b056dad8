import { type Database, FINAL_STATES, type Logger, TASK_STATES, type TaskState } from '@blockmill/core'

import {
  type GapCount,
  noCounts,
  type OldestWaiting,
  sampleCounts,
  sampleDeadLetters,
  sampleGaps,
  sampleOldestWaiting,
  sampleWorkers,
  sumDifferences,
  type TaskCount,
  type WorkerCount,
} from './samples.ts'

/** Totals of the record at one moment. */
export interface Snapshot {
  readonly at: Date
  /** One for each chain and task. */
  readonly tasks: readonly TaskCount[]
  readonly totals: Readonly<Record<TaskState, number>>
  /** Tasks a second over the last `windowSeconds`; 0 until there are two samples. */
  readonly rates: { readonly windowSeconds: number; readonly scheduled: number; readonly finished: number }
  /** The task that has waited longest for its first attempt. */
  readonly oldestWaiting: OldestWaiting | null
  readonly workers: WorkerCount
  /** Dead letters on record. */
  readonly deadLetters: number
  readonly gaps: readonly GapCount[]
}

/** Keeps the totals at hand, so that pages and metrics cost the database nothing. */
export interface Statistics {
  /** Takes the first sample and goes on once a second. Idempotent. */
  start(): Promise<void>
  /** The latest snapshot; `undefined` until the database has answered once. */
  latest(): Snapshot | undefined
  /** Idempotent. */
  stop(): Promise<void>
}

export interface StatisticsOptions {
  readonly database: Database
  readonly logger: Logger
  readonly now?: () => Date
  /** Default 1 s. */
  readonly intervalMs?: number
}

/** Rates are over this much time. */
const WINDOW_MS = 30_000
/** The oldest waiting task is looked for among all that wait, and dead letters are counted, so less often. */
const OLDEST_EVERY = 5
/** Gaps are found by reading all of the coverage. */
const GAPS_EVERY = 15
/** Differences are added up when there are so many; until then, adding them at every sample is quicker. */
const SUM_AT_ROWS = 2_000

interface Sample {
  readonly at: number
  readonly known: number
  readonly finished: number
}

export function createStatistics({
  database,
  logger,
  now = () => new Date(),
  intervalMs = 1_000,
}: StatisticsOptions): Statistics {
  const window: Sample[] = []
  let snapshot: Snapshot | undefined
  let oldestWaiting: OldestWaiting | null = null
  let deadLetters = 0
  let gaps: readonly GapCount[] = []
  let samples = 0
  let timer: NodeJS.Timeout | undefined
  let sampling: Promise<void> | undefined
  let stopped = false

  const sample = async (): Promise<void> => {
    const { tasks, rows } = await sampleCounts(database.query)
    if (rows > SUM_AT_ROWS) await sumDifferences(database.query)
    const at = now()
    if (samples % OLDEST_EVERY === 0) {
      oldestWaiting = await sampleOldestWaiting(database.query, at)
      deadLetters = await sampleDeadLetters(database.query)
    }
    if (samples % GAPS_EVERY === 0) gaps = await sampleGaps(database.query)
    const workers = await sampleWorkers(database.query, at)
    samples += 1
    const totals = totalsOf(tasks)
    remember(window, { at: at.getTime(), ...sizesOf(totals) })
    snapshot = { at, tasks, totals, rates: ratesOf(window), oldestWaiting, workers, deadLetters, gaps }
  }

  const tick = async (): Promise<void> => {
    try {
      await sample()
    } catch (error) {
      // The latest snapshot stays, with its time; the recorder reports that the database is away.
      logger.debug({ err: error }, 'totals could not be read')
    }
    if (!stopped) timer = setTimeout(next, intervalMs)
  }
  const next = (): void => {
    sampling = tick()
  }

  return {
    latest: () => snapshot,
    async start() {
      if (sampling === undefined) next()
      await sampling
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await sampling
    },
  }
}

function totalsOf(tasks: readonly TaskCount[]): Snapshot['totals'] {
  const totals = noCounts()
  for (const { counts } of tasks) for (const state of TASK_STATES) totals[state] += counts[state]
  return totals
}

function sizesOf(totals: Snapshot['totals']): Omit<Sample, 'at'> {
  const sum = (states: readonly TaskState[]): number => states.reduce((total, state) => total + totals[state], 0)
  return { known: sum(TASK_STATES), finished: sum(FINAL_STATES) }
}

function remember(window: Sample[], sample: Sample): void {
  window.push(sample)
  while ((window[0]?.at ?? sample.at) < sample.at - WINDOW_MS) window.shift()
}

function ratesOf(window: readonly Sample[]): Snapshot['rates'] {
  const [first, last] = [window[0], window.at(-1)]
  const seconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1_000
  // Deleting old tasks makes totals smaller; that is no negative rate.
  const rate = (size: (sample: Sample) => number): number =>
    first === undefined || last === undefined || seconds === 0 ? 0 : Math.max(0, (size(last) - size(first)) / seconds)
  return { windowSeconds: seconds, scheduled: rate(({ known }) => known), finished: rate(({ finished }) => finished) }
}
