import { type BlockHeader, type ChainSource, type Head, type Logger, unlessAborted } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { createWakeUp } from '../wake-up.ts'
import { createHeadWatchdog, type HeadWatchdog } from './head-watchdog.ts'
import { createHeadTimes, type HeadTimes } from './head-times.ts'

/** Both tips of the chain, each the highest that was ever seen. */
export type Heads = Readonly<Record<Head, BlockHeader>>

export interface HeadWatcherOptions {
  readonly source: ChainSource
  /** Longest time between two looks. */
  readonly pollIntervalMs: number
  /** Called when a tip has moved. */
  readonly onHeads: (heads: Heads) => void
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'headSeen' | 'chainReset'>
  /** Called after each look with the newest block as it was seen, also when it is the same as before, or lower. */
  readonly onLook?: (latest: BlockHeader) => void
  /** See `HeadWatchdogOptions`. */
  readonly noNewHeadTimeoutMs?: number | undefined
}

/**
 * Looks at the chain's tips at least every poll interval, and sooner when the source hints that there is something to see.
 *
 * Running: looks, then waits for the interval or a hint. A look that fails is logged and simply tried at the next interval.
 * A tip lower than one seen before comes from an endpoint that lags, and is ignored; whether it is a reorganisation, somebody
 * else finds out, and says so with `rewind`. When no tip has moved for too long, the source is reset. Stopped: by `stop()`,
 * for good.
 */
export class HeadWatcher {
  readonly #options: HeadWatcherOptions
  readonly #stopping = new AbortController()
  readonly #first = Promise.withResolvers<Heads>()
  readonly #times: Record<Head, HeadTimes> = { finalized: createHeadTimes(), latest: createHeadTimes() }
  readonly #watchdog: HeadWatchdog
  #heads: Heads | undefined
  #running: Promise<unknown> | undefined
  #answers = false

  constructor(options: HeadWatcherOptions) {
    this.#options = options
    this.#watchdog = createHeadWatchdog({
      ...options,
      timeoutMs: options.noNewHeadTimeoutMs,
      blockTimeMs: () => this.#times.latest.blockTimeMs(),
    })
  }

  /** Idempotent. */
  start(): void {
    const { signal } = this.#stopping
    this.#running ??= Promise.all([this.#watch(signal), this.#watchdog.run(signal)])
  }

  /** Idempotent; resolves when no look is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** `undefined` until both tips were seen once. */
  get heads(): Heads | undefined {
    return this.#heads
  }

  /** The first tips that are seen. Never settles when the watcher is stopped before. */
  get firstHeads(): Promise<Heads> {
    return this.#first.promise
  }

  /** The chain has become shorter: what it had above this block is gone. */
  rewind(latest: BlockHeader): void {
    if (this.#heads === undefined || this.#heads.latest.number <= latest.number) return
    this.#heads = { ...this.#heads, latest }
    this.#options.metrics.headSeen('latest', latest)
    this.#watchdog.sawNewHead()
  }

  /** True when the last look was answered. */
  isHealthy(): boolean {
    return this.#answers
  }

  /** How long ago the block after this one was seen; 0 when it was not. */
  lagSeconds(head: Head, height: number): number {
    return this.#times[head].secondsSince(height + 1, performance.now())
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { source, pollIntervalMs } = this.#options
    const hint = createWakeUp()
    const hints = (async () => {
      for await (const _ of source.wakeUps(signal)) hint.notify()
    })()
    while (!signal.aborted) {
      await this.#look(signal)
      await hint.wait(signal, pollIntervalMs)
    }
    await hints
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { source, logger } = this.#options
    try {
      const [finalized, latest] = await unlessAborted(Promise.all([source.finalized(), source.head()]), signal)
      if (!this.#answers) logger.info({ finalized: finalized.number, latest: latest.number }, 'the chain answers')
      this.#answers = true
      this.#see({ finalized, latest })
      this.#options.onLook?.(latest)
    } catch (error) {
      if (signal.aborted) return
      this.#answers = false
      logger.warn(
        { ...failureFields(error), retryInMs: this.#options.pollIntervalMs },
        'the chain does not answer; trying again',
      )
    }
  }

  #see(seen: Heads): void {
    const { onHeads, logger, metrics } = this.#options
    const before = this.#heads
    const heads = { finalized: higher(before?.finalized, seen.finalized), latest: higher(before?.latest, seen.latest) }
    for (const head of ['finalized', 'latest'] as const) {
      metrics.headSeen(head, heads[head])
      this.#times[head].see(heads[head].number, performance.now())
      if (seen[head].number < heads[head].number) {
        logger.debug({ head, seen: seen[head].number, highest: heads[head].number }, 'the endpoint lags')
      }
    }
    this.#heads = heads
    this.#first.resolve(heads)
    if (before?.latest.hash !== heads.latest.hash) this.#watchdog.sawNewHead()
    if (before?.finalized.number !== heads.finalized.number || before.latest.hash !== heads.latest.hash) onHeads(heads)
  }
}

function higher(before: BlockHeader | undefined, seen: BlockHeader): BlockHeader {
  return before !== undefined && before.number > seen.number ? before : seen
}
