import { type BlockHeader, type ChainSource, type Logger, RetryableError, unlessAborted } from '@blockmill/core'

import { backoffMs } from '../backoff.ts'
import { failureFields } from '../failure-fields.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import type { SchedulerMetrics } from '../scheduler-metrics.ts'
import { createWakeUp, pause } from '../wake-up.ts'
import { blockAt, type Branch, type BranchBlock, keptFrom, relationOf, withoutGaps } from './branch.ts'
import type { BranchStore, OrphanedBlock, RecordedBranch } from './branch-store.ts'
import { canonicalHashes, type ChainBlockHash, findReorg, type FoundReorg, numbersBetween } from './find-reorg.ts'

/** A chain has to be seen on another branch for so long before that counts: endpoints may disagree for a moment. */
const CONFIRM_MS = 1_000

/** A reorganisation that was found and is about to be recorded, or just was. */
export interface Reorg {
  /** The highest block that stays. */
  readonly ancestor: number
  readonly orphaned: readonly OrphanedBlock[]
  /** The new tip. */
  readonly head: BlockHeader
}

export interface BranchTrackerOptions {
  readonly source: Pick<ChainSource, 'head' | 'hashes'>
  readonly store: BranchStore
  /** The fencing token of the lease. */
  readonly token: number
  /** Most blocks below the head whose hashes are kept. */
  readonly window: number
  /** The newest finalized block that was seen. */
  readonly finalized: () => BlockHeader
  /** Keeps other writes of coverage off while one is done. */
  readonly inTurn: (write: () => Promise<void>) => Promise<void>
  /** The number of the tip, each time that it has moved and is on record. */
  readonly onTip: (number: number) => void
  /** Told before a reorganisation is recorded: what was planned for the blocks that go is void. */
  readonly onReorg: (reorg: Reorg) => void
  /** Told when it is on record. */
  readonly onReorganised: (reorg: Reorg) => void
  readonly onLeaseLost: (error: unknown) => void
  /** Unix milliseconds. */
  readonly now: () => number
  readonly stopping: AbortSignal
  readonly abandoned: AbortSignal
  readonly logger: Logger
  readonly metrics: Pick<SchedulerMetrics, 'reorganised' | 'reorganisedTooDeep'>
}

/**
 * Follows the branch of the chain that tasks on `latest` are scheduled for, and finds out when the chain has left it.
 *
 * - Loading: reads the branch that is on record, until the database answers.
 * - Following: takes up each head that continues the branch, and puts it on record before anybody is told of it: so whatever
 *   was scheduled has its block on record. Heads that lag are ignored.
 * - In doubt: a head was seen that is on another branch. Nothing moves. A head on ours ends the doubt; a second without one
 *   confirms that the chain has left our branch.
 * - Reorganising: the hashes of kept blocks are asked for, from the tip down to the common ancestor. Those above it are replaced, on
 *   record and in memory; whoever asks for a hash meanwhile waits. If the process ends before that is on record, the branch on
 *   record is still the old one, and the next leader finds the same.
 *
 * What endpoints answer may not fit together, when they take turns or the chain moves: then nothing is done, and they are
 * asked again.
 */
export class BranchTracker {
  readonly #options: BranchTrackerOptions
  readonly #wakeUp = createWakeUp()
  readonly #orphaned = new Map<string, OrphanedBlock>()
  #branch: Branch = []
  /** The newest finalized block that was seen while the chain was on the branch. */
  #finalizedOnBranch: RecordedBranch['finalized']
  #seen: BlockHeader | undefined
  #inDoubtSinceMs: number | undefined
  /** Resolved while the branch may be read. */
  #readable = Promise.withResolvers<void>()
  #lastGeneration = 0
  /** Hash of the tip that was told. */
  #told: string | undefined

  constructor(options: BranchTrackerOptions) {
    this.#options = options
  }

  /** A head as an endpoint showed it, also when it is the same as before, or lower. */
  look(head: BlockHeader): void {
    this.#seen = head
    const relation = relationOf(this.#branch, head)
    if (relation === 'same' || relation === 'next') this.#inDoubtSinceMs = undefined
    this.#wakeUp.notify()
  }

  /** Resolves when stopped, with nothing in flight. */
  async run(): Promise<void> {
    const { stopping } = this.#options
    await this.#untilItWorks('the newest blocks could not be read from the record', () => this.#load())
    while (!stopping.aborted) {
      await this.#wakeUp.wait(stopping, this.#doubtLeftMs())
      await this.#untilItWorks('the newest blocks could not be followed', () => this.#follow())
    }
    this.#readable.promise.catch(() => {
      // Nobody may be waiting.
    })
    this.#readable.reject(
      new RetryableError('CHAIN_REORGANISED', 'The scheduler stops before the branch is on record.'),
    )
  }

  /**
   * Hashes of the branch, in the order asked; of blocks below those kept the chain's. Waits while the chain is being
   * reorganised, so that nobody plans on a block that is about to go.
   */
  async hashes(numbers: readonly number[]): Promise<(string | undefined)[]> {
    await unlessAborted(this.#readable.promise, this.#options.abandoned)
    const branch = this.#branch
    const first = branch[0]?.number ?? 0
    const below = numbers.filter((number) => number < first)
    const asked = below.length === 0 ? [] : await this.#options.source.hashes(below)
    const belowAt = new Map(below.map((number, index) => [number, asked[index]]))
    return numbers.map((number) => (number < first ? belowAt.get(number) : blockAt(branch, number)?.hash))
  }

  /** The generation of a block of the branch, 0 for any other. */
  generationOf({ number, hash }: { readonly number: number; readonly hash?: string }): number {
    const known = blockAt(this.#branch, number)
    return known !== undefined && known.hash === hash ? known.generation : 0
  }

  async #load(): Promise<void> {
    const { blocks, orphaned, finalized } = await this.#options.store.load()
    this.#branch = withoutGaps(blocks)
    this.#finalizedOnBranch = finalized
    for (const block of orphaned) this.#orphaned.set(block.hash, block)
    this.#lastGeneration = Math.max(0, ...[...blocks, ...orphaned].map(({ generation }) => generation))
  }

  async #follow(): Promise<void> {
    const head = this.#seen
    if (head === undefined) return
    switch (relationOf(this.#branch, head)) {
      case 'same':
        this.#tell()
        return
      case 'behind':
        // After a restart, the tip on record may be ahead of what the endpoint has.
        this.#tell()
        break
      case 'next':
        await this.#extend(head, [])
        return
      case 'ahead':
        await this.#catchUp(head)
        return
      case 'other':
        break
    }
    await this.#doubt(head)
  }

  /** Takes up a head that is further on, and the blocks in between. */
  async #catchUp(head: BlockHeader): Promise<void> {
    const tip = this.#branch.at(-1)
    // What is final stays: of a jump over it, nothing below is needed.
    const from = Math.max(Math.min(this.#options.finalized().number, head.number), this.#keptFrom(head))
    const next = tip === undefined || tip.number < from ? from : tip.number + 1
    const between = numbersBetween(next, head.number - 1)
    const numbers = tip === undefined || between.includes(tip.number) ? between : [tip.number, ...between]
    const hashAt = await unlessAborted(canonicalHashes(this.#options.source, head, numbers), this.#options.abandoned)
    if (tip !== undefined && hashAt(tip.number) !== tip.hash) {
      await this.#doubt(head)
      return
    }
    await this.#extend(
      head,
      between.map((number) => ({ number, hash: hashAt(number) ?? '' })),
    )
  }

  async #extend(head: BlockHeader, between: readonly ChainBlockHash[]): Promise<void> {
    const { store, token, finalized } = this.#options
    const blocks = this.#placed([...between, head])
    const first = blocks[0]?.number ?? head.number
    const isGap = first > (this.#branch.at(-1)?.number ?? 0) + 1
    const from = Math.max(this.#keptFrom(head), isGap ? first : 0)
    await store.extend(token, { blocks, keptFrom: from })
    this.#take([...this.#branch, ...blocks], from)
    this.#finalizedOnBranch = finalized()
    this.#tell()
  }

  /** From now on this is the branch. It is on record. */
  #take(branch: Branch, from: number): void {
    this.#branch = withoutGaps(branch.filter(({ number }) => number >= from))
    for (const { hash } of this.#branch) this.#orphaned.delete(hash)
    for (const { hash, number } of this.#orphaned.values()) if (number < from) this.#orphaned.delete(hash)
    this.#inDoubtSinceMs = undefined
  }

  #tell(): void {
    const tip = this.#branch.at(-1)
    if (tip === undefined) return
    this.#readable.resolve()
    if (tip.hash !== this.#told) this.#options.onTip(tip.number)
    this.#told = tip.hash
  }

  #keptFrom(head: BlockHeader): number {
    return keptFrom(head.number, this.#options.finalized().number, this.#options.window)
  }

  #doubtLeftMs(): number | undefined {
    if (this.#inDoubtSinceMs === undefined) return undefined
    return Math.max(0, this.#inDoubtSinceMs + CONFIRM_MS - performance.now())
  }

  /** The chain was seen on another branch: waits for a head on ours, and changes to the other one when there is none. */
  async #doubt(seen: BlockHeader): Promise<void> {
    const { source, logger, abandoned } = this.#options
    if (relationOf(this.#branch, seen) === 'behind' && this.#inDoubtSinceMs === undefined) return
    if (this.#inDoubtSinceMs === undefined) {
      this.#inDoubtSinceMs = performance.now()
      logger.debug({ number: seen.number, hash: seen.hash }, 'a head on another branch was seen; looking again')
    }
    if ((this.#doubtLeftMs() ?? 0) > 0) return
    const head = await unlessAborted(source.head(), abandoned)
    this.#seen = head
    switch (relationOf(this.#branch, head)) {
      case 'same':
      case 'next':
        this.#inDoubtSinceMs = undefined
        this.#wakeUp.notify()
        return
      case 'behind':
        this.#inDoubtSinceMs = performance.now()
        return
      case 'ahead':
      case 'other':
        await this.#reorganise(head)
    }
  }

  async #reorganise(head: BlockHeader): Promise<void> {
    const { source, store, abandoned } = this.#options
    const from = this.#keptFrom(head)
    const question = { branch: this.#branch, head, from, finalized: this.#finalizedOnBranch, source, store }
    const found = await unlessAborted(findReorg(question), abandoned)
    const { ancestor } = found
    if (ancestor === this.#branch.at(-1)?.number) {
      // The head is simply further on.
      this.#inDoubtSinceMs = undefined
      this.#wakeUp.notify()
      return
    }
    if (found.beyondBranch !== undefined) this.#raiseAlarm(found, head)
    const generation = this.#nextGeneration()
    const orphaned = found.orphaned.map(({ number, hash }) => ({ number, hash, generation }))
    await this.#replace({ ancestor, orphaned, head }, this.#placed([...found.blocks, head]), from)
  }

  /** A person should look: so deep a reorganisation is an attack, a broken node or a chain that was reset. */
  #raiseAlarm({ ancestor, beyondBranch }: FoundReorg, head: BlockHeader): void {
    const { logger, metrics } = this.#options
    const fields = {
      kept: this.#branch.length,
      lowest: this.#branch[0]?.number,
      latest: head.number,
      ancestor,
      finalized: this.#finalizedOnBranch?.number,
    }
    logger.error(
      fields,
      beyondBranch?.isFinal === true
        ? 'a reorganisation is deeper than the blocks that are kept; scheduling again from the finalized block on record'
        : 'a reorganisation is deeper than the blocks that are kept, and changes what was final; scheduling again from the lowest of them',
    )
    metrics.reorganisedTooDeep()
  }

  async #replace(reorg: Reorg, blocks: Branch, from: number): Promise<void> {
    const { store, token, inTurn, onReorg, onReorganised, logger, metrics } = this.#options
    const { ancestor, orphaned, head } = reorg
    const depth = (this.#branch.at(-1)?.number ?? ancestor) - ancestor
    this.#readable = Promise.withResolvers()
    onReorg(reorg)
    const isRecorded = await this.#untilItWorks('a reorganisation could not be recorded', () =>
      inTurn(() => store.replace(token, { ancestor, orphaned, blocks, keptFrom: from })),
    )
    // Given up: the next leader finds the same.
    if (!isRecorded) return
    for (const block of orphaned) this.#orphaned.set(block.hash, block)
    this.#take([...this.#branch.filter(({ number }) => number <= ancestor), ...blocks], from)
    metrics.reorganised(depth)
    logger.warn({ depth, ancestor, latest: head.number, hash: head.hash }, 'the chain was reorganised')
    onReorganised(reorg)
    this.#tell()
  }

  /** Blocks with their generations: the tasks of those that were orphaned before take a later one to run again. */
  #placed(blocks: readonly ChainBlockHash[]): BranchBlock[] {
    const generation = blocks.some(({ hash }) => this.#orphaned.has(hash)) ? this.#nextGeneration() : 0
    return blocks.map(({ number, hash }) => ({ number, hash, generation: this.#orphaned.has(hash) ? generation : 0 }))
  }

  /** The time; later than any generation before, whatever the clock says. */
  #nextGeneration(): number {
    this.#lastGeneration = Math.max(this.#options.now(), this.#lastGeneration + 1)
    return this.#lastGeneration
  }

  /** @returns false when the leadership is over before it has worked. */
  async #untilItWorks(failure: string, step: () => Promise<void>): Promise<boolean> {
    const { stopping, abandoned, logger, onLeaseLost } = this.#options
    for (let failures = 1; !stopping.aborted; failures += 1) {
      try {
        await unlessAborted(step(), abandoned)
        return true
      } catch (error) {
        if (abandoned.aborted) return false
        if (isLeaseLost(error)) {
          onLeaseLost(error)
          return false
        }
        const retryInMs = Math.min(5_000, backoffMs(failures))
        const level = error instanceof RetryableError ? 'warn' : 'error'
        logger[level]({ ...failureFields(error), retryInMs }, `${failure}; trying again`)
        await pause(retryInMs, stopping)
      }
    }
    return false
  }
}
