import { hostname } from 'node:os'

import {
  type AnyRangeTaskDefinition,
  ConfigurationError,
  createCoordinator,
  type Database,
  discoverTasks,
  type JsonObject,
  NonRetryableError,
  type ResultSinkName,
  type TaskRegistry,
} from '@blockmill/core'

/** What is to be run over which blocks, as it stands on the command line. */
export interface StartJobOptions {
  readonly task: string
  readonly from: number
  readonly to: number
  readonly args?: JsonObject
  readonly batchSize?: number
  readonly minBatch?: number
  readonly window?: number
  readonly queue?: string
  readonly priority?: number
  readonly maxAttempts?: number
  readonly sink?: ResultSinkName
}

interface StartConfig {
  readonly chain: string
  readonly taskPackages: readonly string[]
}

/**
 * Puts a range job on record, checked against the definition of its task.
 *
 * @returns its id.
 * @throws ConfigurationError `TASK_UNKNOWN`; NonRetryableError `RANGE_JOB_INVALID` that names every rule that is broken.
 */
export async function startJob(
  database: Database,
  { chain, taskPackages }: StartConfig,
  { task, ...options }: StartJobOptions,
): Promise<string> {
  const definition = findTask(await discoverTasks(taskPackages), task, taskPackages)
  if (definition.chains?.includes(chain) === false) {
    throw new NonRetryableError(
      'RANGE_JOB_INVALID',
      `The range job cannot be started: task '${task}' is for ${definition.chains.join(', ')} alone, not for chain '${chain}'.`,
    )
  }
  const coordinator = createCoordinator({ database, chain, createdBy: `command line on ${hostname()}` })
  return (await coordinator.run<JsonObject>(definition, options)).id
}

function findTask(registry: TaskRegistry, name: string, taskPackages: readonly string[]): AnyRangeTaskDefinition {
  const definition = registry.getRangeTask(name)
  if (definition !== undefined) return definition
  throw new ConfigurationError(
    'TASK_UNKNOWN',
    registry.get(name) === undefined
      ? `There is no task '${name}' in ${taskPackages.join(', ')}. 'blockmill tasks list' shows all.`
      : `Task '${name}' runs for blocks, not for ranges of them. 'blockmill backfill start' runs it for past blocks.`,
  )
}
