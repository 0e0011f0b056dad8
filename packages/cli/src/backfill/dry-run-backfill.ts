import { type BackfillJob, type BlockSet, type Database, fromMultirange, union } from '@blockmill/core'

import { type DryRunConfig, dryRunTask, type EstimatedDryRun } from '../dry-run/dry-run-task.ts'
import type { ProgressBar } from '../progress-bar.ts'

/** Counts the tasks that a job would schedule: for blocks that coverage lacks, up to where the live run has come. */
export async function dryRunBackfill(
  config: DryRunConfig,
  database: Database,
  job: BackfillJob,
  progress: ProgressBar,
): Promise<EstimatedDryRun> {
  const left = await readLeftOut(database, job)
  return dryRunTask(config, {
    task: job.task,
    range: { from: job.from, to: job.to },
    args: job.args ?? undefined,
    evaluated: (argsHash) => left.get(argsHash) ?? [],
    list: 0,
    onProgress: (so) => progress.show(so),
  })
}

/** Blocks that the job would leave out, by the hash of the arguments: covered ones, and those that the live run will come to. */
async function readLeftOut({ query }: Database, job: BackfillJob): Promise<ReadonlyMap<string, BlockSet>> {
  const rows = await query<{ args_hash: string; evaluated: string }>(
    'select args_hash, evaluated::text from blockmill.coverage where chain = $1 and task = $2 and head = $3',
    [job.chain, job.task, job.head],
  )
  return new Map(
    rows.map((row) => {
      const evaluated = fromMultirange(row.evaluated)
      const last = evaluated.at(-1)
      const ahead = last === undefined ? [] : [{ from: last.to + 1, to: Number.MAX_SAFE_INTEGER }]
      return [row.args_hash, job.force ? ahead : union(evaluated, ahead)]
    }),
  )
}
