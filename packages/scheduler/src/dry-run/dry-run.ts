import {
  type AnyTaskDefinition,
  argsHash,
  blockRange,
  type BlockRange,
  type BlockSet,
  type AnyChainAccess,
  type ChainSource,
  difference,
  type JsonObject,
  type Lane,
  setSize,
} from '@blockmill/core'

import { resolveArgs, type ResolvedArgs } from '../planner/resolve-args.ts'
import { countMatches, type Matches } from './count-matches.ts'

export interface DryRunOptions {
  readonly definition: AnyTaskDefinition
  readonly range: BlockRange
  /** One set of arguments. Default: every set that the task runs with now. */
  readonly args?: JsonObject
  /** Blocks that were evaluated for a set of arguments, and so are left out. Default none. */
  readonly evaluated?: (argsHash: string) => BlockSet
  /** Counts evaluated blocks too. Default false. */
  readonly force?: boolean
  /** Queue of the tasks. Default the task's back-fill queue. */
  readonly queue?: string
  /** Lane of the tasks. Default `low`, which back-fill rides. */
  readonly lane?: Lane
  /** Most matching blocks that are told one by one, for each set of arguments. Default 0. */
  readonly list?: number
  /** Where tasks on the `latest` head get the hashes of blocks from. Without it, conditions are told no hash. */
  readonly source?: ChainSource
  /** What conditions read the chain through. Without it, a condition that does so fails. */
  readonly access?: AnyChainAccess
  readonly signal?: AbortSignal
  /** Told after every step of at most some thousand blocks. */
  readonly onProgress?: (progress: DryRunProgress) => void
}

/** How far a dry run is. */
export interface DryRunProgress {
  /** Blocks that were asked about, over all sets of arguments. */
  readonly done: number
  readonly total: number
}

/** What would be scheduled for one set of arguments. */
export interface DryRunOfArgs extends Matches, ResolvedArgs {
  /** Blocks that were asked about. */
  readonly blocks: number
  /** Blocks of the range that were left out, because they were evaluated before. */
  readonly evaluatedBefore: number
}

/** What would be scheduled for a range of blocks. */
export interface DryRun {
  readonly task: string
  readonly range: BlockRange
  /** Where all of the tasks would go. */
  readonly queue: string
  readonly lane: Lane
  /** Blocks that were asked about, over all sets of arguments. */
  readonly blocks: number
  /** Tasks that would be scheduled, over all sets of arguments. */
  readonly tasks: number
  /** Blocks whose condition failed, over all sets of arguments. */
  readonly failed: number
  readonly runs: readonly DryRunOfArgs[]
}

/**
 * Counts the tasks that a back-fill of a range would schedule, by asking the conditions as the scheduler does. Nothing is
 * published or written, and memory does not depend on the size of the range.
 *
 * @throws NonRetryableError `RANGE_INVALID`; what the task's args function throws; the signal's reason when it aborts; RetryableError `CHAIN_RPC_FAILED` when
 * the hashes that tasks on the `latest` head need cannot be read.
 */
export async function dryRun(options: DryRunOptions): Promise<DryRun> {
  const { definition, args, signal = new AbortController().signal, list = 0 } = options
  const { onProgress = () => undefined, source, access } = options
  const range = blockRange(options.range.from, options.range.to)
  const sets = args === undefined ? await resolveArgs(definition) : [{ args, argsHash: argsHash(args) }]
  const wanted = sets.map((set) => ({ ...set, toAsk: blocksToAsk(options, set.argsHash) }))
  const total = wanted.reduce((sum, { toAsk }) => sum + setSize(toAsk), 0)
  let done = 0
  const onBlocks = (count: number): void => {
    done += count
    onProgress({ done, total })
  }
  const runs: DryRunOfArgs[] = []
  for (const { toAsk, ...set } of wanted) {
    const matches = await countMatches({
      definition,
      args: set.args,
      blocks: toAsk,
      list,
      source,
      access,
      signal,
      onBlocks,
    })
    const blocks = setSize(toAsk)
    runs.push({ ...set, ...matches, blocks, evaluatedBefore: setSize([range]) - blocks })
  }
  return {
    task: definition.name,
    range,
    queue: options.queue ?? definition.backfill.queue,
    lane: options.lane ?? 'low',
    blocks: done,
    tasks: runs.reduce((sum, { count }) => sum + count, 0),
    failed: runs.reduce((sum, { failedCount }) => sum + failedCount, 0),
    runs,
  }
}

function blocksToAsk({ range, evaluated, force = false }: DryRunOptions, hash: string): BlockSet {
  return force || evaluated === undefined ? [range] : difference([range], evaluated(hash))
}
