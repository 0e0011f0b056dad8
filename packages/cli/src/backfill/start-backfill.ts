import { hostname } from 'node:os'

import {
  type AnyTaskDefinition,
  argsProblems,
  type BackfillJob,
  ConfigurationError,
  createBackfillJob,
  discoverTasks,
  type JsonObject,
  NonRetryableError,
} from '@blockmill/core'

/** What is to be filled in, as it stands on the command line. */
export interface StartOptions {
  readonly task: string
  readonly from: number
  readonly to: number
  readonly args?: JsonObject
  readonly chunk?: number
  readonly window?: number
  readonly rate?: number
  readonly force?: boolean
}

/**
 * The job that is asked for, checked, and not on record yet.
 *
 * @throws ConfigurationError `TASK_UNKNOWN`; NonRetryableError `BACKFILL_INVALID` that names every rule that is broken.
 */
export async function backfillJobOf(
  { chain, taskPackages }: { readonly chain: string; readonly taskPackages: readonly string[] },
  options: StartOptions,
): Promise<{ readonly job: BackfillJob; readonly definition: AnyTaskDefinition }> {
  const definition = (await discoverTasks(taskPackages)).get(options.task)
  if (definition === undefined) {
    throw new ConfigurationError(
      'TASK_UNKNOWN',
      `There is no task '${options.task}' in ${taskPackages.join(', ')}. 'blockmill tasks list' shows all.`,
    )
  }
  const createdBy = `command line on ${hostname()}`
  const job = createBackfillJob({ ...options, chain, head: definition.head, createdBy }, new Date())
  const problems = [
    ...(definition.chains?.includes(chain) === false
      ? [`task '${definition.name}' is for ${definition.chains.join(', ')} alone, not for chain '${chain}'`]
      : []),
    ...(options.args === undefined ? [] : argsProblems(options.args, definition.schema)),
  ]
  if (problems.length === 0) return { job, definition }
  throw new NonRetryableError('BACKFILL_INVALID', `The back-fill cannot be started: ${problems.join('; ')}.`)
}
