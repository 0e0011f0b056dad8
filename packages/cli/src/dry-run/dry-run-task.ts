import {
  argsProblems,
  type BlockRange,
  type BlockSet,
  type ChainKind,
  ConfigurationError,
  createChain,
  createLogger,
  discoverTasks,
  isForChainKind,
  isPeriodic,
  type JsonObject,
  type Logger,
  NonRetryableError,
  openDatabase,
} from '@blockmill/core'
import type { DryRun, DryRunProgress } from '@blockmill/scheduler'

/** Where a dry run finds its task, and what it may use if it is there. */
export interface DryRunConfig {
  readonly taskPackages: readonly string[]
  readonly chain: string
  readonly chainKind: ChainKind
  readonly chainEndpoints?: readonly string[] | undefined
  readonly archiveEndpoints?: readonly string[] | undefined
  readonly databaseUrl?: string | undefined
}

export interface DryRunRequest {
  readonly task: string
  readonly range: BlockRange
  /** Default: every set of arguments that the task runs with. */
  readonly args?: JsonObject | undefined
  /** Blocks that are left out, by the hash of the arguments. Default none. */
  readonly evaluated?: ((argsHash: string) => BlockSet) | undefined
  /** Most matching blocks that are listed. */
  readonly list: number
  readonly onProgress: (progress: DryRunProgress) => void
}

/** What would be scheduled, and how long it would take. */
export interface EstimatedDryRun extends DryRun {
  /** Tasks of the queue that end in a second now; null when that is not known. */
  readonly ratePerSecond: number | null
  /** At that rate; null when it is not known. */
  readonly estimatedSeconds: number | null
}

/**
 * Counts the tasks of a range of blocks. The chain is connected to when the condition may need it and one is configured, the
 * database is asked for the rate when one is configured and answers.
 */
export async function dryRunTask(
  config: DryRunConfig,
  { task, range, args, evaluated, list, onProgress }: DryRunRequest,
): Promise<EstimatedDryRun> {
  // Standard output is for the answer alone.
  const logger = createLogger({ service: 'dry-run', level: 'warn', destination: process.stderr })
  const { dryRun } = await import('@blockmill/scheduler')
  const definition = (await discoverTasks(config.taskPackages)).get(task)
  if (definition === undefined) {
    throw new ConfigurationError(
      'TASK_UNKNOWN',
      `There is no task '${task}' in ${config.taskPackages.join(', ')}. 'blockmill tasks list' shows all.`,
    )
  }
  if (!isForChainKind(definition, config.chainKind)) {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      `Task '${task}' is for chains of the kind ${definition.chainKind}, but the kind is ${config.chainKind}. Set BLOCKMILL_CHAIN_KIND.`,
    )
  }
  const problems = args === undefined ? [] : argsProblems(args, definition.schema)
  if (problems.length > 0) {
    throw new NonRetryableError(
      'ENQUEUE_INVALID',
      `Task '${task}' cannot run with these arguments: ${problems.join('; ')}.`,
    )
  }
  const mayReadChain = definition.head === 'latest' || !isPeriodic(definition.condition)
  const chain = mayReadChain ? await openChain(config, logger) : undefined
  try {
    const counted = await dryRun({
      definition,
      range,
      ...(args !== undefined && { args }),
      ...(evaluated !== undefined && { evaluated }),
      ...(chain !== undefined && { source: chain.source, access: chain.access }),
      list,
      onProgress,
    })
    const ratePerSecond = (await readRate(config, counted.queue, logger)) ?? null
    return {
      ...counted,
      ratePerSecond,
      estimatedSeconds: ratePerSecond === null ? null : counted.tasks / ratePerSecond,
    }
  } finally {
    await chain?.close()
  }
}

/** A connection that is opened beside the work: a condition that does not touch the chain does not wait for it. */
async function openChain(
  { chain: id, chainKind: kind, chainEndpoints: endpoints, archiveEndpoints }: DryRunConfig,
  logger: Logger,
) {
  if (endpoints === undefined) return undefined
  const { source, access } = await createChain({ id, kind, endpoints, archiveEndpoints, logger })
  const closed = new AbortController()
  const starting = source.start(closed.signal).catch((error: unknown) => {
    if (!closed.signal.aborted) logger.warn({ err: error }, 'the chain cannot be used')
  })
  return {
    source,
    access,
    async close() {
      closed.abort()
      await source.close()
      await starting
    },
  }
}

async function readRate({ databaseUrl }: DryRunConfig, queue: string, logger: Logger): Promise<number | undefined> {
  if (databaseUrl === undefined) return undefined
  const { currentRate } = await import('@blockmill/scheduler')
  const database = openDatabase({ url: databaseUrl, logger, poolMax: 1 })
  try {
    return await currentRate(database.query, queue)
  } catch (error) {
    // The count is what was asked for; the estimate is an extra.
    logger.warn({ reason: (error as Error).message }, 'the current rate cannot be read')
    return undefined
  } finally {
    await database.close()
  }
}
